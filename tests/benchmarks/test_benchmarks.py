"""Every benchmark still runs: its short form, whose figures mean nothing."""

import importlib
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks import __main__ as bench
from tests.benchmarks.measure import isolated

FOLDER = Path(__file__).parent
# The benchmarks are the modules of this folder that a person can start.
BENCHMARKS = sorted(
    path.stem
    for path in FOLDER.glob("*.py")
    if path.stem != "__main__" and "\ndef main(" in path.read_text(encoding="utf-8")
)
WITH_MODELS = ("evaluation", "page", "startup")
TABLE = re.compile(r"^\| -+ \|.*\|\n\|.+\|$", re.MULTILINE)  # a rule, and a line under it


@pytest.mark.parametrize("name", BENCHMARKS)
def test_the_short_form_runs(
    name: str, checkpoints: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if name == "page":
        pytest.importorskip("gradio", reason="needs requirements-web.txt")
    words = ["--short", "--out", str(tmp_path / "record.json")]
    if name in WITH_MODELS:
        words += ["--output-dir", str(checkpoints)]
    importlib.import_module(f"tests.benchmarks.{name}").main(words)
    assert TABLE.search(capsys.readouterr().out)
    assert json.loads((tmp_path / "record.json").read_text(encoding="utf-8"))


def test_both_sides_of_the_training_benchmark_compute_the_same_loss() -> None:
    """What the benchmark compares is the same task: PEFT + Trainer's losses are ours."""
    from tests.benchmarks.peft_trainer import train_with_trainer
    from tests.benchmarks.training import train_ours
    from tests.benchmarks.training_setup import Setup

    setup = Setup("mini", "checkpoints/ko-gpt2-mini", "fp32", "cpu", steps=2, batch=2)
    theirs = train_with_trainer(setup)
    for changes in ({}, {"micro_batch_tokens": 0}):
        assert train_ours(setup, changes).losses == pytest.approx(theirs.losses, abs=1e-5)


def test_a_run_in_a_process_of_its_own_leaves_this_one_alone() -> None:
    assert isolated(os.getpid) != os.getpid()


def test_make_bench_starts_benchmarks_that_exist(
    checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[list[str]] = []

    def record(command: list[str], **_options: Any) -> None:
        started.append(command)

    monkeypatch.setattr(subprocess, "run", record)
    bench.main(["--output-dir", str(checkpoints), "--out", str(tmp_path), "--short"])
    modules = [command[2] for command in started]
    assert len(modules) == len(bench.COMMANDS)
    assert {module.removeprefix("tests.benchmarks.") for module in modules} <= set(BENCHMARKS)
    with pytest.raises(SystemExit, match="make train"):
        bench.main(["--output-dir", str(tmp_path)])
