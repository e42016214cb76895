"""Files and directories that appear whole or not at all, and the lock that keeps writers apart."""

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

from filelock import FileLock, Timeout

from common.console import UserError

# What a killed process may leave beside `best`: `.best.draft-x1y2`, `.best.previous-x1y2`.
LEFTOVER = re.compile(r"\.(?P<name>.+)\.(?P<kind>draft|previous)-\w+")


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Be the only one to write into `folder`, which is made if need be, and swept.

    The system gives the lock back with the process that holds it, however that ends.

    Raises:
        UserError: another process is writing there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise UserError(
            f"{folder}: 다른 명령이 이 폴더에 쓰고 있습니다. 끝나기를 기다리거나 --output-dir로 "
            "다른 폴더를 주세요. 그런 명령이 없다면 그 안의 .lock을 지우세요."
        ) from error
    try:
        sweep(folder)
        yield
    finally:
        lock.release()


def sweep(folder: Path) -> None:
    """Remove the drafts that killed processes left in `folder`, under its lock.

    Where one died between the two renames of `atomic_directory`, the previous directory returns.
    """
    for path in list(folder.iterdir()):
        if match := LEFTOVER.fullmatch(path.name):
            target = folder / match["name"]
            if match["kind"] == "previous" and not target.exists():
                path.rename(target)
            else:
                delete(path)


def put_right(folder: Path) -> None:
    """`sweep` for those who only read: not where somebody is writing, nor where we may not."""
    if any(folder.glob(".*.previous-*")):
        with suppress(UserError, OSError), exclusive(folder):
            pass


@contextmanager
def atomic_directory(target: Path) -> Iterator[Path]:
    """Yield an empty sibling of `target` to fill; when the block ends well it becomes `target`.

    When the block raises, nothing of it remains and a previous `target` is untouched.

    Raises:
        OSError: what the system says of the disk, with `target` as its `filename`.
    """
    target = target.resolve()  # a link stays, and what it points to is replaced
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{target.name}.draft-", dir=target.parent))
    draft.chmod(0o755)
    previous = draft.with_name(draft.name.replace(".draft-", ".previous-"))
    try:
        yield draft
        for path in [*draft.rglob("*"), draft]:
            to_disk(path)
        if target.exists():
            target.rename(previous)
        draft.rename(target)
    except BaseException as error:
        shutil.rmtree(draft, ignore_errors=True)
        if previous.exists() and not target.exists():
            previous.rename(target)
        if refused := as_os_error(error, target):
            raise refused from error
        raise
    to_disk(target.parent)
    shutil.rmtree(previous, ignore_errors=True)


def write_file(target: Path, content: str | bytes) -> None:
    """Write a file, text as UTF-8, that appears whole; until then a previous one stays."""
    target = target.resolve()
    draft = target.with_name(f".{target.name}.draft-{os.getpid()}")
    try:
        draft.write_bytes(content if isinstance(content, bytes) else encoded(content))
        to_disk(draft)
        draft.replace(target)
    except BaseException as error:
        draft.unlink(missing_ok=True)
        if refused := as_os_error(error, target):
            raise refused from error
        raise
    to_disk(target.parent)


def as_os_error(error: BaseException, target: Path) -> OSError | None:
    """The `OSError` that an error is, of `target`, where the system has refused to write; or None.

    safetensors and tokenizers, which are written in Rust, tell of it in the text of their own.
    """
    if found := re.search(r"\(os error (\d+)\)", str(error)):
        code = int(found[1])  # on Windows its own, which Python takes as a fourth argument
        return OSError(code, os.strerror(code), str(target), code)
    if isinstance(error, OSError) and error.filename is None:
        return OSError(error.errno, error.strerror, str(target))
    return None


def read_json(path: Path) -> dict[str, Any]:
    """The object that a JSON file holds.

    Raises:
        FileNotFoundError: no such file.
        UserError: it holds something else.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: JSON으로 읽을 수 없습니다 ({error}). 다시 만드세요.") from error
    if not isinstance(value, dict):
        raise UserError(f"{path}: JSON 객체가 아닙니다. 다시 만드세요.")
    return value


def encoded(text: str) -> bytes:
    """UTF-8. A path that is not Unicode has lone surrogates: they go as JSON's own escapes."""
    return text.encode("utf-8", "backslashreplace")


def append_line(target: Path, line: str) -> None:
    """Add a line to a text file; only the last line may ever be a part of one."""
    try:
        with target.open("ab") as file:
            file.write(encoded(line + "\n"))
    except OSError as error:
        raise as_os_error(error, target) or error from error


def read_log(path: Path) -> list[dict[str, Any]]:
    """The records of a file of JSON lines; one that was cut in two is left out."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    records = []
    for line in lines:
        with suppress(ValueError):
            records.append(json.loads(line))
    return records


def to_disk(path: Path) -> None:
    """Have the system write a file or a directory out: a rename alone may outrun the content."""
    if path.is_dir():
        # Windows opens no directories, and some network drives flush none.
        with suppress(OSError):
            flush(path, os.O_RDONLY)
    else:
        flush(path, os.O_RDWR)  # Windows flushes only what it may write


def flush(path: Path, flags: int) -> None:
    """fsync, https://docs.python.org/3/library/os.html#os.fsync"""
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(path: Path) -> None:
    """Delete a directory so that no part of it is ever to be seen, or a link to one."""
    leftover = path.with_name(f".{path.name}.draft-{os.getpid()}")
    path.rename(leftover)
    delete(leftover)


def delete(path: Path) -> None:
    """Delete a file, a directory, or a link but not what it points to."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def sha256(path: Path) -> str:
    """The digest of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def newest(files: list[Path]) -> Path:
    """The file that was written last."""
    return max(files, key=lambda path: path.stat().st_mtime)
