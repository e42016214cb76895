from pathlib import Path

import pytest

from lora.files import atomic_directory


def test_appears_whole(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "best"
    with atomic_directory(target) as draft:
        (draft / "a").write_text("1")
        assert not target.exists()
    assert [p.name for p in target.parent.iterdir()] == ["best"]
    assert (target / "a").read_text() == "1"


def test_replaces_all_of_the_previous(tmp_path: Path) -> None:
    target = tmp_path / "best"
    for name in ("old", "new"):
        with atomic_directory(target) as draft:
            (draft / name).touch()
    assert [p.name for p in target.iterdir()] == ["new"]
    assert [p.name for p in tmp_path.iterdir()] == ["best"]


def test_a_failure_leaves_the_previous_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "best"
    with atomic_directory(target) as draft:
        (draft / "good").touch()
    with pytest.raises(RuntimeError), atomic_directory(target) as draft:
        (draft / "half").touch()
        raise RuntimeError
    assert [p.name for p in target.iterdir()] == ["good"]
    assert [p.name for p in tmp_path.iterdir()] == ["best"]
