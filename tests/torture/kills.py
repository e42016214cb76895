"""Kill a run with SIGKILL, anywhere, start it again, and compare every bit of what it leaves.

Half of the kills come from outside at a random moment. The other half come from inside, at a random
one of the times that the run opens, renames, makes or removes a file of its folder: in the midst of
a save.
"""

import itertools
import os
import random
import shutil
import signal
import time
from collections import Counter
from pathlib import Path

from common.interrupt import SIGNALS
from infer.find import find_model
from tests.torture.runs import (
    Ended,
    check_whole,
    content,
    finish_run,
    make_base,
    run_whole,
    start_run,
    training,
)

PRECISIONS = ("fp32", "bf16")


def kill_once(words: list[object], folder: Path, whole: Ended, chance: random.Random) -> bool:
    """One killed run, and a check of what it left; whether it was killed before its end."""
    inside = chance.random() < 0.5
    started = time.monotonic()
    process = start_run(words, folder, chance.randint(1, whole.touches) if inside else 0)
    if not inside:
        process.join(chance.uniform(0, whole.seconds))
        process.kill()
    ended = finish_run(process, folder, started)
    assert ended.code in (0, -signal.SIGKILL), ended.output
    check_whole(folder)
    return ended.code != 0


def whole_runs(folder: Path, base: Path, table: Path) -> dict[str, tuple[Ended, dict[str, object]]]:
    """For each precision a run that was let alone, and what it left."""
    runs = {}
    for precision in PRECISIONS:
        out = folder / f"whole-{precision}"
        runs[precision] = (run_whole(training(base, table, out, precision), out), content(out))
    return runs


def killed_training(folder: Path, kills: int, number: int = 0) -> Counter[str]:
    """Kill runs that often, each up to three times, then let it end, and compare.

    Counts the "kills", and those after which the run's end was the "same" as one let alone.
    """
    chance = random.Random(number)
    base, table = make_base(folder)
    wholes = whole_runs(folder, base, table)
    counts = Counter[str]()
    for trial in itertools.count():
        precision = PRECISIONS[trial % 2]
        whole, truth = wholes[precision]
        out = folder / "killed"
        words = training(base, table, out, precision)
        tries = range(min(chance.randint(1, 3), kills - counts["kills"]))
        killed = sum(kill_once(words, out, whole, chance) for _ in tries)
        run_whole(words, out)
        counts["kills"] += killed
        counts["same"] += killed * (content(out) == truth)
        shutil.rmtree(out)
        if counts["kills"] == kills:
            return counts


def stopped_training(folder: Path, stops: int, number: int = 0) -> Counter[str]:
    """Stop runs by SIGINT or SIGTERM once they train; then let them end, and compare.

    Counts the "stops", and those that said how to go on and whose end was the "same".
    """
    chance = random.Random(number)
    base, table = make_base(folder)
    wholes = whole_runs(folder, base, table)
    counts = Counter[str]()
    while counts["stops"] < stops:
        precision, signal_number = chance.choice(PRECISIONS), chance.choice(SIGNALS)
        whole, truth = wholes[precision]
        out = folder / "stopped"
        words = training(base, table, out, precision)
        started = time.monotonic()
        process = start_run(words, out)
        while process.is_alive() and not (out / "tiny-lora" / "metrics.jsonl").exists():
            time.sleep(0.01)
        process.join(chance.uniform(0, whole.seconds / 2))
        if process.is_alive():
            os.kill(process.pid, signal_number)
        ended = finish_run(process, out, started)
        if ended.code != 0:
            counts["stops"] += 1
            told = "같은 명령을 다시 실행하면 이어서 합니다" in ended.output
            polite = ended.code == 128 + signal_number and told
            check_whole(out)
            run_whole(words, out)
            counts["same"] += polite and content(out) == truth
        shutil.rmtree(out)
    return counts


def killed_quantising(folder: Path, kills: int, number: int = 0) -> Counter[str]:
    """Kill `quant` over models that are there already: each is then the old one or the new one.

    Counts "kills" and how many were "whole": so, and the next run's models identical to those of
    a run that was let alone.
    """
    chance = random.Random(number)
    base, table = make_base(folder)
    trained, old, new = folder / "trained", folder / "old", folder / "new"
    run_whole(training(base, table, trained, "fp32"), trained)
    shutil.copytree(trained, old)
    run_whole(["quant", "--output-dir", old], old)
    shutil.copytree(old, new)
    whole = run_whole(["quant", "--output-dir", new, "--double-quant"], new)
    counts = Counter[str]()
    while counts["kills"] < kills:
        out = folder / "killed"
        shutil.copytree(old, out)
        words = ["quant", "--output-dir", out, "--double-quant"]
        if kill_once(words, out, whole, chance):
            counts["kills"] += 1
            find_model(out)  # a reader puts right what it finds
            either = all(
                content(out / name) in (content(old / name), content(new / name))
                for name in ("tiny-merged", "tiny-bnb-4bit")
            )
            run_whole(words, out)
            counts["whole"] += either and content(out) == content(new)
        shutil.rmtree(out)
    return counts
