"""A short `make torture`."""

import os
from pathlib import Path

import pytest

if os.name == "nt":
    pytest.skip("forks, signals and limits as Windows has none", allow_module_level=True)

from tests.torture.disk import filled
from tests.torture.inputs import fuzz
from tests.torture.kills import killed_quantising, killed_training, stopped_training


def test_killed_runs_go_on_to_the_same_bits(tmp_path: Path) -> None:
    assert killed_training(tmp_path, kills=4, number=7) == {"kills": 4, "same": 4}


def test_a_killed_quantisation_leaves_old_models_or_new_ones(tmp_path: Path) -> None:
    assert killed_quantising(tmp_path, kills=4, number=1) == {"kills": 4, "whole": 4}


def test_signals_save_and_tell_how_to_go_on(tmp_path: Path) -> None:
    assert stopped_training(tmp_path, stops=2, number=1) == {"stops": 2, "same": 2}


def test_a_full_disk_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.torture.disk.mount", lambda *_words, **_more: False)
    counts = filled(tmp_path, trials=2, number=3)
    assert counts["trials"] == counts["refused"] == counts["same"] == 2


def test_hostile_input_is_read_or_refused_in_one_line(tmp_path: Path) -> None:
    counts = fuzz(tmp_path, share=0.03, number=1)
    assert sum(kind.total() for kind in counts.values()) >= 290
    assert all(
        kind["read"] and kind["refused"] for name, kind in counts.items() if name != "options"
    )
