"""Files and directories that appear whole or not at all.

New content is written to a hidden draft beside its target, flushed to disk and then renamed. No
reader, killed process or power failure ever meets half of it.
"""

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from common.console import UserError

# What a killed process may leave beside `best`: `.best.draft-x1y2`, `.best.previous-x1y2`.
LEFTOVER = re.compile(r"\.(?P<name>.+)\.(?P<kind>draft|previous)-\w+")


@contextmanager
def atomic_directory(target: Path) -> Iterator[Path]:
    """Yield an empty draft directory; when the block ends without error, it becomes `target`.

    When the block raises, the draft is deleted and a previous `target` is untouched.

    Raises:
        OSError: the disk refused a write; `filename` is `target`.
    """
    target = target.resolve()  # a symbolic link stays, and the directory it points to is replaced
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{target.name}.draft-", dir=target.parent))
    draft.chmod(0o755)  # mkdtemp lets only the owner in
    with _discarded_on_error(draft, target):
        yield draft
        move_into_place(draft, target)


@contextmanager
def atomic_file(target: Path) -> Iterator[Path]:
    """Yield the path of a draft to write; when the block ends without error, it becomes `target`.

    Raises:
        OSError: the disk refused a write; `filename` is `target`.
    """
    target = target.resolve()
    draft = target.with_name(f".{target.name}.draft-{os.getpid()}")
    with _discarded_on_error(draft, target):
        yield draft
        move_into_place(draft, target)


def write_file(target: Path, content: str | bytes) -> None:
    """Write a file atomically, text as UTF-8.

    Raises:
        OSError: the disk refused a write; `filename` is `target`.
    """
    with atomic_file(target) as draft:
        draft.write_bytes(content if isinstance(content, bytes) else encode_text(content))


def move_into_place(draft: Path, target: Path) -> None:
    """Flush a file or a directory to disk, then rename it to `target` in the same folder."""
    for path in [*draft.rglob("*"), draft]:
        fsync_path(path)
    if draft.is_dir():
        _replace_directory(draft, target)
    else:
        draft.replace(target)
        fsync_path(target.parent)


def _replace_directory(draft: Path, target: Path) -> None:
    """Rename in two steps, since a directory cannot be renamed onto another one.

    A process that is killed between them leaves `.<name>.previous-*`, which `recover` renames back.
    """
    previous = draft.with_name(draft.name.replace(".draft-", ".previous-"))
    try:
        if target.exists():
            target.rename(previous)
        draft.rename(target)
    except BaseException:
        if previous.exists() and not target.exists():
            previous.rename(target)
        raise
    fsync_path(target.parent)
    shutil.rmtree(previous, ignore_errors=True)


@contextmanager
def _discarded_on_error(draft: Path, target: Path) -> Iterator[None]:
    """Delete the draft if the block raises, and let a failed write name `target`."""
    try:
        yield
    except BaseException as error:
        with suppress(OSError):
            delete(draft)
        if os_error := as_os_error(error, target):
            raise os_error from error
        raise


def recover(folder: Path) -> None:
    """Delete the drafts that killed processes left in `folder`; the caller holds its lock.

    Where one was killed between the two renames of a directory, the previous directory returns.
    """
    for path in list(folder.iterdir()):
        if match := LEFTOVER.fullmatch(path.name):
            target = folder / match["name"]
            if match["kind"] == "previous" and not target.exists():
                path.rename(target)
            else:
                delete(path)


def delete(path: Path) -> None:
    """Delete a file, a directory, or a symbolic link but not what it points to."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def delete_directory(path: Path) -> None:
    """Delete a directory, or a link to one, atomically: rename it to a draft, then delete that."""
    draft = path.with_name(f".{path.name}.draft-{os.getpid()}")
    path.rename(draft)
    delete(draft)


def as_os_error(error: BaseException, target: Path) -> OSError | None:
    """Return `error` as an OSError that names `target`, or None if it is not a failed write.

    safetensors and tokenizers, which are written in Rust, only mention the code in their message.
    """
    if found := re.search(r"\(os error (\d+)\)", str(error)):
        code = int(found[1])  # on Windows a winerror, which is OSError's fourth argument
        return OSError(code, os.strerror(code), str(target), code)
    if isinstance(error, OSError) and error.filename is None:
        return OSError(error.errno, error.strerror, str(target))
    return None


def fsync_path(path: Path) -> None:
    """fsync a file or a directory: https://docs.python.org/3/library/os.html#os.fsync

    Without it, a rename may reach the disk before the content of the renamed file does.
    """
    if path.is_dir():
        # Windows cannot open directories, and some network drives cannot flush them.
        with suppress(OSError):
            _fsync(path, os.O_RDONLY)
    else:
        _fsync(path, os.O_RDWR)  # Windows only flushes what is open for writing


def _fsync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def encode_text(text: str) -> bytes:
    """Encode as UTF-8; lone surrogates (paths that are not Unicode) become backslash escapes."""
    return text.encode("utf-8", "backslashreplace")


def append_line(target: Path, line: str) -> None:
    """Append a line to a text file. A killed process can cut only the last line short."""
    try:
        with target.open("ab") as file:
            file.write(encode_text(line + "\n"))
    except OSError as error:
        raise as_os_error(error, target) or error from error


def read_log(path: Path) -> list[dict[str, Any]]:
    """The records of a JSON Lines file, without any line that was cut short."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    records = []
    for line in lines:
        with suppress(ValueError):
            records.append(json.loads(line))
    return records


def read_json(path: Path) -> dict[str, Any]:
    """The object that a JSON file holds.

    Raises:
        FileNotFoundError: there is no such file.
        UserError: the file does not hold a JSON object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: JSON으로 읽을 수 없습니다 ({error}). 다시 만드세요.") from error
    if not isinstance(value, dict):
        raise UserError(f"{path}: JSON 객체가 아닙니다. 다시 만드세요.")
    return value


def sha256(path: Path) -> str:
    """The SHA-256 digest of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def newest(files: list[Path]) -> Path:
    """The file that was modified last."""
    return max(files, key=lambda path: path.stat().st_mtime)
