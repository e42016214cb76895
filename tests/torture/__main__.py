"""`python -m tests.torture`: what was tried to break runs and files, and what survived."""

import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

from common.console import option, parse_options, run, table
from tests.torture.disk import filled
from tests.torture.inputs import fuzz
from tests.torture.kills import killed_quantising, killed_training, stopped_training


@dataclass
class TortureOptions:
    """Options of the command."""

    kills: int = option(100, "학습을 SIGKILL로 죽일 횟수 (양자화는 그 5분의 1)")
    stops: int = option(20, "SIGINT나 SIGTERM으로 멈출 횟수")
    disks: int = option(20, "디스크를 채울 횟수")
    inputs: int = option(10_000, "나쁜 입력의 수")
    seed: int = option(0, "난수 시드")


HEADER = ["시도", "횟수", "살아남음", "무엇이 참이어야 하나"]


def main() -> None:
    options = parse_options(TortureOptions, "python -m tests.torture", "학습을 괴롭힙니다.")
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as spare:
        lines = trials(options, Path(spare))
    print(f"\n{table(HEADER, lines)}\n\n{time.monotonic() - started:,.0f}초")


def trials(options: TortureOptions, spare: Path) -> list[list[str]]:
    """The table's lines, in the order of the options."""
    lines: list[list[str]] = []

    def add(name: str, tried: int, survived: int, rule: str) -> None:
        lines.append([name, f"{tried:,}", f"{survived:,}/{tried:,}", rule])
        print(*lines[-1], flush=True)

    def folder(name: str) -> Path:
        (spare / name).mkdir()
        return spare / name

    seed = options.seed
    kills = killed_training(folder("train"), options.kills, seed)
    rule = "보이는 파일은 온전하고, 이어서 하면 한 번도 안 죽은 학습과 비트까지 같음"
    add("학습 중 SIGKILL", kills["kills"], kills["same"], rule)
    quant = killed_quantising(folder("quant"), options.kills // 5, seed)
    add("양자화 중 SIGKILL", quant["kills"], quant["whole"], "옛 모델이거나 새 모델임")
    stops = stopped_training(folder("stop"), options.stops, seed)
    rule = "저장하고 방법을 알리며 끝나고, 이어서 하면 비트까지 같음"
    add("SIGINT, SIGTERM", stops["stops"], stops["same"], rule)
    disk = filled(folder("disk"), options.disks, seed)
    kind = "tmpfs" if disk["tmpfs"] else "RLIMIT_FSIZE"
    rule = "한 줄로 알리고, 자리를 만들면 이어서 비트까지 같음"
    add(f"디스크가 참 ({kind})", disk["trials"], min(disk["refused"], disk["same"]), rule)
    for name, counts in fuzz(folder("inputs"), options.inputs / 10_000, seed).items():
        rule = f"한 줄로 거절 {counts['refused']:,}, 읽음 {counts['read']:,}"
        add(f"나쁜 입력: {name}", counts.total(), counts.total(), rule)
    return lines


if __name__ == "__main__":
    run(main)
