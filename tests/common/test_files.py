import errno
import os
from pathlib import Path

import pytest

from common.console import UserError
from common.files import (
    as_os_error,
    atomic_directory,
    atomic_file,
    delete_directory,
    move_into_place,
    read_json,
    recover,
    write_file,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock")


def test_appears_whole(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "best"
    with atomic_directory(target) as draft:
        (draft / "a").write_text("1")
        assert not target.exists()
    assert names(target.parent) == ["best"]
    assert (target / "a").read_text() == "1"


def test_a_file_appears_whole_however_it_is_written(tmp_path: Path) -> None:
    target = tmp_path / "rows.csv"
    with atomic_file(target) as draft, draft.open("w") as file:
        for row in range(3):
            file.write(f"{row}\n")
            assert not target.exists()
    assert target.read_text() == "0\n1\n2\n"
    with pytest.raises(KeyboardInterrupt), atomic_file(target) as draft:
        draft.write_text("half")
        raise KeyboardInterrupt
    assert target.read_text() == "0\n1\n2\n" and names(tmp_path) == ["rows.csv"]


def test_replaces_all_of_the_previous(tmp_path: Path) -> None:
    target = tmp_path / "best"
    for name in ("old", "new"):
        with atomic_directory(target) as draft:
            (draft / name).touch()
    assert names(target) == ["new"] and names(tmp_path) == ["best"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failure_leaves_the_previous_and_nothing_else(
    tmp_path: Path, error: type[BaseException]
) -> None:
    target = tmp_path / "best"
    with atomic_directory(target) as draft:
        (draft / "good").touch()
    with pytest.raises(error), atomic_directory(target) as draft:
        (draft / "half").touch()
        raise error
    assert names(target) == ["good"] and names(tmp_path) == ["best"]


def test_a_link_stays_and_what_it_points_to_is_replaced(tmp_path: Path) -> None:
    elsewhere, target = tmp_path / "big-disk", tmp_path / "checkpoints" / "best"
    elsewhere.mkdir()
    target.parent.mkdir()
    target.symlink_to(elsewhere)
    with atomic_directory(target) as draft:
        (draft / "new").touch()
    assert target.is_symlink() and names(elsewhere) == ["new"]
    delete_directory(target)
    assert names(elsewhere) == ["new"] and not target.is_symlink()


def test_a_file_is_whole_or_as_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "a.json"
    write_file(target, "하나")
    assert target.read_text(encoding="utf-8") == "하나"

    def full(_path: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("common.files.fsync_path", full)
    with pytest.raises(OSError, match=r"a\.json"):
        write_file(target, "둘")
    assert target.read_text(encoding="utf-8") == "하나" and names(tmp_path) == ["a.json"]


def test_a_file_that_grew_elsewhere_is_moved_into_place(tmp_path: Path) -> None:
    partial, target = tmp_path / "a.csv.partial", tmp_path / "a.csv"
    target.write_text("old")
    partial.write_text("new")
    move_into_place(partial, target)
    assert target.read_text() == "new" and names(tmp_path) == ["a.csv"]


def test_a_failed_second_rename_brings_the_previous_directory_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "best"
    with atomic_directory(target) as draft:
        (draft / "good").touch()
    rename = Path.rename

    def fails_for_drafts(path: Path, to: Path) -> Path:
        if ".draft-" in path.name:
            raise PermissionError(errno.EACCES, "refused")
        return rename(path, to)

    monkeypatch.setattr(Path, "rename", fails_for_drafts)
    with pytest.raises(PermissionError, match="best"), atomic_directory(target) as draft:
        (draft / "new").touch()
    assert names(target) == ["good"] and names(tmp_path) == ["best"]


def test_recovery_after_a_killed_process(tmp_path: Path) -> None:
    for name in (".best.draft-ab12", ".old.previous-x_9", ".gone.previous-x_9", "old"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    (tmp_path / ".log.json.draft-77").touch()
    (tmp_path / ".hidden").touch()  # somebody else's
    recover(tmp_path)
    assert names(tmp_path) == [".hidden", "gone", "old"]
    assert (tmp_path / "old" / "file").read_text() == "old"
    assert (tmp_path / "gone" / "file").read_text() == ".gone.previous-x_9"


def test_failed_writes_are_recognised_in_messages_of_other_libraries(tmp_path: Path) -> None:
    rust = Exception("Error while serializing: I/O error: No space left (os error 28)")
    for error in (rust, OSError(28, "No space left on device")):
        found = as_os_error(error, tmp_path)
        assert found and found.errno == errno.ENOSPC and found.filename == str(tmp_path)
    assert as_os_error(ValueError("28"), tmp_path) is None
    assert as_os_error(OSError(2, "no", "x"), tmp_path) is None


@pytest.mark.parametrize("content", ["", "[]", "{", "[" * 100_000, "null", '"\ud800"'])
def test_a_file_without_a_json_object_is_one_line(tmp_path: Path, content: str) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(content.encode("utf-8", "surrogatepass"))
    with pytest.raises(UserError, match=r"x\.json"):
        read_json(path)
