"""`python -m infer`: a question and an answer in, a summary out; or a CSV in, a CSV out."""

import sys
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from common.console import UserError, option, parse_options, refuse, run
from data.text import clean_text
from infer.find import find_model, newer_adapter
from infer.models import load_model
from infer.settings import Decoding
from model.device import pick_device

# In the manner of the sample data, but none of its rows.
EXAMPLE_QUESTION = "동료와 의견이 달랐던 경험을 말씀해 주세요."
EXAMPLE_ANSWER = (
    "네, 작년에 편의점에서 8개월 동안 재고 관리 업무를 했을 때 점장과 발주 방식을 두고 의견이 "
    "갈렸습니다. 음, 판매 기록을 3주 동안 모아 보여 드렸습니다. 그 결과 폐기 금액을 40퍼센트 "
    "줄였습니다. 그 일을 겪으면서 상대의 말을 끝까지 들어야 한다는 것을 배웠습니다."
)

MEMORY_ADVICE = "--batch-size 1이나 --device cpu를 주세요."


@dataclass
class InferOptions(Decoding):
    """Options of the command."""

    question: str | None = option(None, "면접 질문")
    answer: str | None = option(None, "지원자의 답변")
    csv: Path | None = option(None, "question, answer 열이 있는 CSV: 모든 행을 요약")
    out: Path | None = option(None, "--csv의 결과를 쓸 CSV. 안 주면 이름 뒤에 -summary를 붙임")
    model: str | None = option(None, "모델 폴더나 베이스 이름. 안 주면 가장 새로운 양자화 모델")
    output_dir: Path = option(Path("checkpoints"), "모델을 찾을 폴더")
    batch_size: int = option(16, "--csv에서 한꺼번에 요약할 행 수")
    device: str = option("auto", "auto, cuda, mps, cpu")

    def __post_init__(self) -> None:
        """Refuse what cannot be meant.

        Raises:
            UserError: the first such option.
        """
        if (self.question is None) != (self.answer is None):
            raise UserError("--question과 --answer는 함께 주세요.")
        if self.question is not None and not (
            clean_text(self.question) and clean_text(self.answer)
        ):
            raise UserError("--question이나 --answer가 비어 있습니다. 내용을 적으세요.")
        if self.csv is not None and self.question is not None:
            raise UserError("--csv와 --question은 함께 쓸 수 없습니다. 하나만 주세요.")
        if self.batch_size < 1:
            refuse("batch_size", self.batch_size, "1 이상이어야 합니다")
        if self.broken:
            name, rule = self.broken
            refuse(name, getattr(self, name), rule)


def main() -> None:
    options = parse_options(InferOptions, "python -m infer", "면접 질문과 답변을 요약합니다.")
    out = result_path(options.csv, options.out) if options.csv is not None else None
    device = pick_device(options.device)
    path = options.model or find_newest(options.output_dir)
    summarizer = options.summarizer(*load_model(path, device))
    # What is not the summary goes to stderr: `make infer > summary.txt` holds the summary alone.
    print(f"모델: {path} ({summarizer.model.device.type})", file=sys.stderr)
    if options.csv is not None and out is not None:
        from infer.sheet import read_sheet, summarize_sheet  # half a second the other way is spared

        sheet = read_sheet(options.csv)
        print(sheet.describe(), file=sys.stderr)
        with tqdm(total=len(sheet.usable), desc="요약", unit="행") as progress:
            for rows in summarize_sheet(summarizer, sheet, out, options.batch_size):
                progress.update(rows)
        print(f"{len(sheet.rows):,}행을 {out}에 썼습니다.", file=sys.stderr)
        return
    question = options.question or EXAMPLE_QUESTION
    answer = options.answer or EXAMPLE_ANSWER
    if not summarizer.fits(question):
        raise UserError(
            f"질문과 요약이 모델의 문맥 {summarizer.context}토큰에 들어가지 않습니다. "
            "--question이나 --max-new-tokens를 줄이세요."
        )
    print(f"질문: {question}\n답변: {answer}\n요약: ", end="", file=sys.stderr, flush=True)
    for piece in summarizer.stream(question, answer):
        print(piece, end="", flush=True)
    print()


def result_path(source: Path, out: Path | None) -> Path:
    """Where the summaries of `source` go.

    Raises:
        UserError: there is no `source`, or `out` is a folder, or `source` itself.
    """
    if not source.is_file():
        raise UserError(f"--csv {source}: 파일이 없습니다. 경로와 이름을 확인하세요.")
    target = out or source.with_name(f"{source.stem}-summary.csv")
    if target.is_dir():
        raise UserError(f"--out {target}: 폴더입니다. 쓸 파일의 이름을 주세요.")
    if source.resolve() == target.resolve():
        raise UserError(f"{target}: 입력 파일에 덮어쓸 수 없습니다. --out에 다른 이름을 주세요.")
    return target


def find_newest(checkpoints: Path) -> str:
    """`find_model`, and a line where an adapter has been trained since."""
    model = find_model(checkpoints)
    if (model / "config.json").exists() and (adapter := newer_adapter(model, checkpoints)):
        print(
            f"알림: {adapter}가 {model}보다 새롭습니다. make quantize를 실행하면 그것을 씁니다.",
            file=sys.stderr,
        )
    return str(model)


if __name__ == "__main__":
    run(main, MEMORY_ADVICE)
