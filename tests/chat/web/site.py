"""The page, served in a process of its own, for the tests and the benchmark."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


@dataclass
class Site:
    """What `python -m chat.web` serves."""

    address: str
    port: int
    pid: int


@contextmanager
def serving(checkpoints: Path, **environment: str) -> Iterator[Site]:
    """The page of the models under `checkpoints`, on a free port, until the block ends."""
    command = ["-m", "chat.web", "--port", "0", "--output-dir", str(checkpoints)]
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        env=os.environ | environment,
    )
    assert process.stdout
    for line in process.stdout:
        if found := re.search(r"http://127\.0\.0\.1:(\d+)", line):
            break
    else:
        raise RuntimeError(f"the page did not come up: {process.wait()}")
    try:
        yield Site(found[0], int(found[1]), process.pid)
    finally:
        process.terminate()
        assert process.wait(timeout=60) == 0
