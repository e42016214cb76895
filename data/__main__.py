"""`python -m data check`: read a CSV exactly as training would."""

import sys
from dataclasses import dataclass
from pathlib import Path

from common.console import UserError, option, parse_options, run
from data.interviews import COLUMNS, default_csv, read_interviews


@dataclass
class CheckOptions:
    """Options of `check`."""

    data: Path | None = option(None, "CSV 파일. 안 주면 학습이 고를 파일")


def check(argv: list[str]) -> None:
    """Print what a CSV contains, and its first usable row."""
    options = parse_options(CheckOptions, "python -m data check", "CSV를 읽어 봅니다.", argv)
    interviews = read_interviews(options.data or default_csv())
    print(interviews.describe())
    first = interviews.rows[0]
    print(*(f"  {name}: {first[name]}" for name in COLUMNS), sep="\n")


COMMANDS = {"check": check}


def main() -> None:
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in COMMANDS:
        given = name or "명령이 없습니다"
        raise UserError(f"{given}: python -m data {'|'.join(COMMANDS)}처럼 무엇을 할지 적으세요.")
    COMMANDS[name](sys.argv[2:])


if __name__ == "__main__":
    run(main)
