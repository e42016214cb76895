"""`python -m data`: read a CSV as training would."""

from dataclasses import dataclass
from pathlib import Path

from common.console import option, parse_options, run
from data.interviews import default_csv, read_interviews


@dataclass
class CheckOptions:
    """Options of the command."""

    data: Path | None = option(None, "CSV 파일. 안 주면 학습이 고를 파일")


def main() -> None:
    options = parse_options(CheckOptions, "python -m data", "CSV를 읽어 봅니다.")
    interviews = read_interviews(options.data or default_csv())
    print(interviews.describe())
    first = interviews.rows[0]
    print(*(f"  {name}: {first[name]}" for name in ("question", "answer", "summary")), sep="\n")


if __name__ == "__main__":
    run(main)
