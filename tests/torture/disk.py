"""A disk that fills up in the middle of a run: one line, nothing half-written, and it goes on.

A small tmpfs where we may mount one; a limit on the size of files (RLIMIT_FSIZE) everywhere else.
"""

import random
import shutil
import subprocess
import time
from collections import Counter
from pathlib import Path

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


def mount(folder: Path, kilobytes: int, change: bool = False) -> bool:
    """Have a tmpfs of that size at `folder`, or change the size of the one there; if we may."""
    folder.mkdir(exist_ok=True)
    options = f"{'remount,' if change else ''}size={kilobytes}k"
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    return shutil.which("mount") is not None and not subprocess.run(command, stderr=-3).returncode


def filled(folder: Path, trials: int, number: int = 0) -> Counter[str]:
    """Let the disk fill up at a random moment of training and of quantising; then make room.

    Counts "trials" in which it did fill up, those "refused" in one line with all that could be
    seen whole, and those whose next run ended the "same" as one that was let alone; and "tmpfs",
    those on a real full disk.
    """
    chance = random.Random(number)
    base, table = make_base(folder)
    truth = folder / "truth"
    run_whole(training(base, table, truth, "fp32"), truth)
    trained = content(truth)
    run_whole(["quant", "--output-dir", truth], truth)
    both = content(truth)
    whole = 4 * sum(path.stat().st_size for path in truth.rglob("*")) // 1024
    counts = Counter[str]()
    while counts["trials"] < trials:
        out = folder / "full"
        small = mount(out, chance.randint(64, whole))
        limit = 0 if small else chance.randint(1, 600) * 1024
        for words, expected in (
            (training(base, table, out, "fp32"), trained),
            (["quant", "--output-dir", out], both),
        ):
            started = time.monotonic()
            ended = finish_run(start_run(words, out, file_limit=limit), out, started)
            if ended.code == 0:
                continue
            counts["trials"] += 1
            counts["tmpfs"] += small
            check_whole(out)
            counts["refused"] += one_line(ended)
            # Still full: to go on fails as well, and breaks nothing either.
            again = finish_run(start_run(words, out, file_limit=limit), out, time.monotonic())
            assert again.code == 0 or one_line(again), again.output
            check_whole(out)
            if small:
                mount(out, 1_000_000, change=True)
            run_whole(words, out)
            counts["same"] += content(out) == expected
        if small:
            subprocess.run(["umount", str(out)], check=True)
        shutil.rmtree(out)
    return counts


def one_line(ended: Ended) -> bool:
    """Whether the run ended as bad luck must: exit code 2 and one line that says what to do."""
    errors = [line for line in ended.output.splitlines() if line.startswith("오류: ")]
    words = ("자리가 없습니다", "파일 크기를 넘습니다")
    told = len(errors) == 1 and any(word in errors[0] for word in words)
    return ended.code == 2 and told and "Traceback" not in ended.output
