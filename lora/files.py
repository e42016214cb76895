"""Directories that appear whole or not at all; what a file holds; which is the newest."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_directory(target: Path) -> Iterator[Path]:
    """Yield an empty sibling of `target` to fill; when the block ends well it becomes `target`.

    When the block raises, nothing of it remains and a previous `target` is untouched.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    draft.chmod(0o755)
    previous = draft.with_name(draft.name + ".previous")
    try:
        yield draft
        for path in draft.rglob("*"):
            if path.is_file():
                with path.open("rb+") as file:  # Windows flushes only what it may write
                    os.fsync(file.fileno())
        if target.exists():
            target.rename(previous)
        draft.rename(target)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        if previous.exists() and not target.exists():
            previous.rename(target)
        raise
    shutil.rmtree(previous, ignore_errors=True)


def sha256(path: Path) -> str:
    """The digest of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def newest(files: list[Path]) -> Path:
    """The file that was written last."""
    return max(files, key=lambda path: path.stat().st_mtime)
