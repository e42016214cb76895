"""`python -m data check`: read a CSV as training would. `python -m data synthesize`: the sample."""

import sys
from dataclasses import dataclass
from pathlib import Path

from console import UserError, option, parse_options, run
from data.interviews import SAMPLE_CSV, default_csv, read_interviews
from data.synthesize import write_sample_csv


@dataclass
class SynthesizeOptions:
    """Options of `synthesize`. The defaults write the file that the repository ships."""

    rows: int = option(3200, "행 수")
    seed: int = option(0, "난수 시드")
    out: Path = option(SAMPLE_CSV, "쓸 파일")

    def __post_init__(self) -> None:
        if self.rows < 1:
            raise UserError(f"--rows {self.rows}: 1 이상이어야 합니다. 값을 바꿔 다시 실행하세요.")


@dataclass
class CheckOptions:
    """Options of `check`."""

    data: Path | None = option(None, "CSV 파일. 안 주면 학습이 고를 파일")


def main() -> None:
    command, argv = (sys.argv[1] if len(sys.argv) > 1 else ""), sys.argv[2:]
    if command == "synthesize":
        options = parse_options(
            SynthesizeOptions, "python -m data synthesize", "예제 면접 데이터를 씁니다.", argv
        )
        write_sample_csv(options.out, options.rows, options.seed)
        print(f"{options.out}: {options.rows:,}행")
    elif command == "check":
        check = parse_options(CheckOptions, "python -m data check", "CSV를 읽어 봅니다.", argv)
        interviews = read_interviews(check.data or default_csv())
        print(interviews.describe())
        first = interviews.rows[0]
        print(*(f"  {name}: {first[name]}" for name in ("question", "answer", "summary")), sep="\n")
    else:
        raise UserError("python -m data check 또는 python -m data synthesize로 실행하세요.")


if __name__ == "__main__":
    run(main)
