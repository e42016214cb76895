"""`python -m infer`: a question and an answer in, a summary out; or a CSV in, a CSV out."""

import sys
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from common.console import UserError, option, parse_options, run, validate
from data.text import clean_text
from infer.find import find_model
from infer.models import load_model
from infer.settings import AT_LEAST_1, Decoding, candidates_option
from infer.summarize import Summarizer
from model.device import pick_device

# Written like the sample data, but not one of its rows.
EXAMPLE_QUESTION = "동료와 의견이 달랐던 경험을 말씀해 주세요."
EXAMPLE_ANSWER = (
    "네, 작년에 편의점에서 8개월 동안 재고 관리 업무를 했을 때 점장과 발주 방식을 두고 의견이 "
    "갈렸습니다. 음, 판매 기록을 3주 동안 모아 보여 드렸습니다. 그 결과 폐기 금액을 40퍼센트 "
    "줄였습니다. 그 일을 겪으면서 상대의 말을 끝까지 들어야 한다는 것을 배웠습니다."
)

MEMORY_ADVICE = "--batch-size 1이나 --device cpu를 주세요."


@dataclass(frozen=True)
class InferOptions(Decoding):
    """Options of the command."""

    candidates: int = candidates_option(16)
    question: str | None = option(None, "면접 질문")
    answer: str | None = option(None, "지원자의 답변")
    csv: Path | None = option(None, "question, answer 열이 있는 CSV: 모든 행을 요약")
    out: Path | None = option(None, "--csv의 결과를 쓸 CSV. 안 주면 이름 뒤에 -summary를 붙임")
    model: str | None = option(None, "모델 폴더나 베이스 이름. 안 주면 가장 새로운 양자화 모델")
    output_dir: Path = option(Path("checkpoints"), "모델을 찾을 폴더")
    batch_size: int = option(16, "--csv에서 한꺼번에 요약할 행 수", check=AT_LEAST_1)
    device: str = option("auto", "auto, cuda, mps, cpu")

    def __post_init__(self) -> None:
        validate(self)
        if (self.question is None) != (self.answer is None):
            raise UserError("--question과 --answer는 함께 주세요.")
        if not all(clean_text(text) for text in (self.question, self.answer) if text is not None):
            raise UserError("--question이나 --answer가 비어 있습니다. 내용을 적으세요.")
        if self.csv is not None and self.question is not None:
            raise UserError("--csv와 --question은 함께 쓸 수 없습니다. 하나만 주세요.")


def main() -> None:
    options = parse_options(InferOptions, "python -m infer", "면접 질문과 답변을 요약합니다.")
    target = None if options.csv is None else result_path(options.csv, options.out)
    device = pick_device(options.device)
    path = options.model or find_model(options.output_dir, note)
    summarizer = Summarizer(*load_model(path, device), options)
    note(f"모델: {path} ({summarizer.model.device.type})")
    if options.csv is not None and target is not None:
        return summarize_csv(summarizer, options.csv, target, options.batch_size)
    question = options.question or EXAMPLE_QUESTION
    answer = options.answer or EXAMPLE_ANSWER
    summarizer.prompt(question, answer)  # an error must come before the first line
    note(f"질문: {question}\n답변: {answer}\n요약: ", end="")
    for piece in summarizer.stream(question, answer):
        print(piece, end="", flush=True)
    print()


def note(text: str, end: str = "\n") -> None:
    """Print to stderr, so that `make infer > summary.txt` keeps the summary alone."""
    print(text, end=end, file=sys.stderr, flush=True)


def summarize_csv(summarizer: Summarizer, source: Path, target: Path, batch_size: int) -> None:
    """Write the rows of `source` and their summaries to `target`."""
    # Imported here because reading a CSV imports datasets, which takes half a second.
    from infer.sheet import read_sheet, summarize_sheet

    sheet = read_sheet(source)
    note(sheet.describe())
    with tqdm(total=len(sheet.usable), desc="요약", unit="행") as progress:
        for rows in summarize_sheet(summarizer, sheet, target, batch_size):
            progress.update(rows)
    note(f"{len(sheet.rows):,}행을 {target}에 썼습니다.")


def result_path(source: Path, out: Path | None) -> Path:
    """The file for the summaries of `source`: `out`, or one beside `source`."""
    if not source.is_file():
        raise UserError(f"--csv {source}: 파일이 없습니다. 경로와 이름을 확인하세요.")
    target = out or source.with_name(f"{source.stem}-summary.csv")
    if target.is_dir():
        raise UserError(f"--out {target}: 폴더입니다. 쓸 파일의 이름을 주세요.")
    if source.resolve() == target.resolve():
        raise UserError(f"{target}: 입력 파일에 덮어쓸 수 없습니다. --out에 다른 이름을 주세요.")
    return target


if __name__ == "__main__":
    run(main, MEMORY_ADVICE)
