"""Runs in processes of their own, what they print and leave, and whether that is whole."""

import csv
import importlib
import json
import multiprocessing
import os
import re
import resource
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from common.console import run
from common.files import LEFTOVER
from pretraining.rows import interview_rows
from tests.conftest import make_model, make_tokenizer

PRELOAD = ["training.__main__", "quant.__main__", "tests.torture.runs"]
TOUCHES = {"open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.truncate"}
SLOW = 120  # seconds after which a run is taken to hang
UNSTEADY = ("seconds", "tokens_per_second")  # what a clock has measured


@dataclass(frozen=True)
class Ended:
    """How a run ended."""

    code: int
    output: str
    touches: int  # of files in its folder
    seconds: float


@lru_cache
def server() -> Any:
    """Where imports have been done once, and each run is forked from."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    # bitsandbytes touches a GPU when it is imported, and a fork could not use it any more.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CUDA_VISIBLE_DEVICES", "")
        forkserver.ensure_running()
    return context


def start_run(words: Sequence[object], folder: Path, die_at: int = 0, file_limit: int = 0) -> Any:
    """`python -m` these words in a process of its own.

    It kills itself at that touch of `folder`, and cannot write files of more bytes than the limit.
    """
    argv = list(map(str, words))
    process = server().Process(target=_run, args=(argv, str(folder), die_at, file_limit))
    process.start()
    return process


def _run(argv: list[str], folder: str, die_at: int, file_limit: int) -> None:
    log = os.open(f"{folder}.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for descriptor in (1, 2):
        os.dup2(log, descriptor)
    touches = 0

    def hook(event: str, details: tuple[Any, ...]) -> None:
        nonlocal touches
        inside = event in TOUCHES and str(details[0]).startswith(folder + os.sep)
        # shutil.rmtree names what it removes from within the directory.
        if inside or (event in ("os.remove", "os.rmdir") and details[1] != -1):
            touches += 1
            if touches == die_at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    if file_limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, file_limit))
    sys.argv = argv
    try:
        run(importlib.import_module(f"{argv[0]}.__main__").main)
    finally:
        Path(f"{folder}.touches").write_text(str(touches))


def finish_run(process: Any, folder: Path, started: float) -> Ended:
    """Wait for it."""
    process.join(SLOW)
    if process.is_alive():
        process.kill()
        raise TimeoutError(f"a run took more than {SLOW} s")
    touches = Path(f"{folder}.touches")
    count = int(touches.read_text()) if touches.exists() else 0
    output = Path(f"{folder}.log").read_text(encoding="utf-8")
    return Ended(process.exitcode, output, count, time.monotonic() - started)


def run_whole(words: Sequence[object], folder: Path) -> Ended:
    """A run that nobody kills.

    Raises:
        AssertionError: it failed, with what it printed.
    """
    started = time.monotonic()
    ended = finish_run(start_run(words, folder), folder, started)
    assert ended.code == 0, ended.output
    return ended


def make_base(folder: Path) -> tuple[Path, Path]:
    """A tiny random base and a CSV of 40 rows: their paths."""
    base, table = folder / "tiny", folder / "my.csv"
    tokenizer = make_tokenizer()
    make_model(vocab_size=len(tokenizer), n_positions=1024).save_pretrained(base)
    tokenizer.save_pretrained(base)
    rows = interview_rows(40, seed=7)
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return base, table


def training(base: Path, table: Path, folder: Path, precision: str) -> list[object]:
    """The command whose run is killed: 20 steps, 4 evaluations, a save at every second step."""
    return [
        *("training", "--base", base, "--data", table, "--output-dir", folder),
        *("--epochs", 2, "--gradient-accumulation-steps", 4, "--save-steps", 2),
        *("--eval-every", 5, "--eval-samples", 1, "--max-length", 512),
        *("--precision", precision, "--device", "cpu"),
    ]


def content(folder: Path) -> dict[str, object]:
    """Every file under `folder` that a run must leave the same, by name; clocks left out.

    Of the checkpoints the last: a signal leaves one at a step where none was due.

    Raises:
        AssertionError: something half-written has stayed.
    """
    found: dict[str, object] = {}
    steps = [int(path.name.split("-")[1]) for path in folder.rglob("checkpoint-*")]
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        step = re.search(r"checkpoint-(\d+)", name)
        if ".previous." in name or (step and int(step[1]) < max(steps)):
            continue
        assert not LEFTOVER.fullmatch(path.name), f"left behind: {name}"
        if path.suffix == ".jsonl":
            lines = path.read_text(encoding="utf-8").splitlines()
            found[name] = [steady(json.loads(line)) for line in lines]
        elif path.suffix == ".json":
            found[name] = steady(json.loads(path.read_text(encoding="utf-8")))
        elif path.is_file() and path.suffix not in (".html", ".png") and path.name != ".lock":
            found[name] = path.read_bytes()
    return found


def steady(value: Any) -> Any:
    """The value without what a clock has measured, and without the folder that it was run in."""
    if isinstance(value, dict):
        out = ("output_dir", *UNSTEADY)
        return {key: steady(item) for key, item in value.items() if key not in out}
    return [steady(item) for item in value] if isinstance(value, list) else value


def check_whole(folder: Path) -> None:
    """Whatever can be seen after a kill is complete: weights and JSON of every directory open."""
    for path in folder.rglob("*"):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if hidden:
            continue
        if path.suffix == ".safetensors":
            load_file(path)
        if path.suffix == ".json":
            json.loads(path.read_text(encoding="utf-8"))
