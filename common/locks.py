"""The lock that keeps two commands from writing into one folder."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from common.console import UserError
from common.files import recover


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Hold the lock of `folder`, which is created if need be and recovered first.

    The operating system releases the lock when the process ends, even if it is killed.

    Raises:
        UserError: another process holds the lock.
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
        recover(folder)
        yield
    finally:
        lock.release()


def recover_if_idle(folder: Path) -> None:
    """Undo an interrupted replacement before `folder` is read.

    Skipped if another process holds the lock or the folder is read-only.
    """
    if any(folder.glob(".*.previous-*")):
        with suppress(UserError, OSError), exclusive(folder):
            pass
