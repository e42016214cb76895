"""What a training run evaluates its model on: the loss of held-out rows, and summaries of some."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from datasets import Dataset

from common.console import UserError
from data.encode import Example, encode_rows
from evaluation.evaluate import HeldOutLoss, held_out_loss, judge_model
from evaluation.results import Result
from infer.summarize import Summarizer
from model.base import Base
from model.precision import Precision


@dataclass(frozen=True)
class Validation:
    """The held-out rows, and the model that is evaluated on them."""

    examples: Sequence[Example]  # every row, for the loss
    summaries: Sequence[str]  # of every row, for the perplexity of a character
    samples: Sequence[dict[str, str]]  # the first rows, which the model summarizes
    summarizer: Summarizer
    precision: Precision

    def judge(self, name: str) -> Result:
        """Let the model summarize the samples, and score what it has written."""
        return judge_model(name, self.summarizer, self.samples, self.precision)

    def evaluate(self) -> tuple[HeldOutLoss, Result]:
        """The loss of every row, and the scores of the samples, of the model with its adapter."""
        loss = held_out_loss(self.summarizer.model, self.examples, self.summaries, self.precision)
        result = replace(
            self.judge("lora"),
            perplexity=loss.perplexity,
            character_perplexity=loss.character_perplexity,
        )
        return loss, result

    def describe(self, loss: HeldOutLoss, result: Result, best: bool) -> str:
        """An evaluation in two Korean lines, followed by the first two summaries."""
        scores = " ".join(f"{name} {value:.1f}" for name, value in result.scores.items())
        written = "".join(
            f"\n  정답  {row['summary']}\n  모델  {summary}"
            for row, summary in list(zip(self.samples, result.summaries, strict=True))[:2]
        )
        return (
            f"검증 손실 {loss.per_token:.3f}{' (지금까지 최고)' if best else ''}, "
            f"퍼플렉서티 {loss.perplexity:.2f}/토큰 {loss.character_perplexity:.2f}/글자\n"
            f"  형태소(mecab-ko): {scores} 충실도 {result.faithfulness:.1f}{written}"
        )


def prepare_validation(
    base: Base, rows: Dataset, max_length: int, count: int, precision: Precision
) -> Validation:
    """Encode the rows; the samples are the first `count` whose question leaves room."""
    summarizer = Summarizer(base.model, base.tokenizer)
    samples = [row for row in rows if summarizer.fits(row["question"])][:count]
    if not samples:
        raise UserError("검증 행의 질문이 모두 너무 길어 요약을 써 볼 수 없습니다. 줄여 주세요.")
    examples = encode_rows(rows, base.tokenizer, max_length)
    return Validation(examples, rows["summary"], samples, summarizer, precision)
