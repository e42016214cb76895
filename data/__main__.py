"""`python -m data check`: read a CSV as training would. `... aihub`: AI Hub's download to CSV."""

import sys
from dataclasses import dataclass
from pathlib import Path

from common.console import UserError, option, parse_options, run
from data.aihub import DO_NOT_PUBLISH, PARTS, import_aihub
from data.interviews import COLUMNS, USER_CSV, default_csv, read_interviews


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


@dataclass
class ImportOptions:
    """Options of `aihub`."""

    paths: list[Path] = option([], "AI Hub에서 받은 폴더나 zip", positional=True)
    output_dir: Path = option(USER_CSV.parent, "CSV를 쓸 폴더")


def aihub(argv: list[str]) -> None:
    """Turn AI Hub's interviews, as they are downloaded, into CSV files for training."""
    options = parse_options(
        ImportOptions,
        "python -m data aihub",
        "AI Hub의 채용면접 인터뷰 데이터(71592)를 받은 그대로 읽어 CSV로 씁니다.",
        argv,
    )
    found = import_aihub(options.paths, options.output_dir)
    print(found.describe())
    for part in sorted({part for part, _ in found.rows}):
        print(f"{part}: {options.output_dir / PARTS[part]}")
    print(DO_NOT_PUBLISH)
    if options.output_dir == USER_CSV.parent:
        print("다음: make train (python -m training)")


COMMANDS = {"check": check, "aihub": aihub}


def main() -> None:
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in COMMANDS:
        given = name or "명령이 없습니다"
        raise UserError(f"{given}: python -m data {'|'.join(COMMANDS)}처럼 무엇을 할지 적으세요.")
    COMMANDS[name](sys.argv[2:])


if __name__ == "__main__":
    run(main)
