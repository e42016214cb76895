"""How good is the model now: loss on the validation rows, and summaries that it writes itself.

Generated, not teacher-forced: the argmax behind the reference's own words says little about text
that the model has to go on from by itself.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from tqdm import tqdm
from transformers import PreTrainedModel

from data.encode import Example, collate, cut_window
from infer.summarize import Summarizer
from training.config import LENGTHS
from training.loss import response_loss
from training.metrics import faithfulness, score_summaries
from training.precision import Precision
from training.results import Result

BATCH = 32  # rows decoded at a time
TOKENS = 4096  # of a batch whose loss is computed, padding included


def exp(x: float) -> float:
    """math.exp, but infinite where that overflows: a run may diverge."""
    return math.exp(x) if x < 700 else math.inf


@dataclass(frozen=True)
class HeldOutLoss:
    """Cross entropy over the responses of rows that the model was not trained on."""

    nats: float  # the sum
    tokens: int  # response tokens, EOS included
    characters: int  # of the responses, their ends included

    @property
    def per_token(self) -> float:
        """The loss as training counts it."""
        return self.nats / self.tokens

    @property
    def perplexity(self) -> float:
        """Of a response token; compare it under one tokenizer only."""
        return exp(self.per_token)

    @property
    def character_perplexity(self) -> float:
        """Of a response character: the same text costs this much under any tokenizer."""
        return exp(self.nats / self.characters)

    @property
    def record(self) -> dict[str, float]:
        """What a log keeps of it."""
        return {
            "validation_loss": self.per_token,
            "perplexity": self.perplexity,
            "character_perplexity": self.character_perplexity,
        }


@torch.no_grad()
def held_out_loss(
    model: PreTrainedModel, examples: Sequence[Example], precision: Precision
) -> HeldOutLoss:
    """Cross entropy over all response tokens of `examples`."""
    model.eval()
    nats = 0.0
    for part in cut_window(examples, 1, TOKENS, LENGTHS):
        batch = collate(part, pad_id=0, multiple=LENGTHS)
        with precision.autocast():
            nats += response_loss(
                model, batch["input_ids"].to(precision.device), batch["labels"].to(precision.device)
            ).item()
    return HeldOutLoss(
        nats,
        sum(example.response_tokens for example in examples),
        sum(example.response_characters + 1 for example in examples),
    )


def written_summaries(
    summarizer: Summarizer, rows: Sequence[dict[str, str]], precision: Precision
) -> list[str]:
    """The model's own summary of each row.

    Raises:
        ValueError: a question leaves no room for one (`Summarizer.fits`).
    """
    summarizer.model.eval()
    # Rows of like length together: little padding, and a batch ends soon after its first row does.
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]["answer"]))
    summaries = [""] * len(rows)
    with tqdm(total=len(rows), desc="요약", unit="행", leave=False) as progress:
        for start in range(0, len(order), BATCH):
            places = order[start : start + BATCH]
            # What --compile compiles is for training: here each step would have another length.
            with precision.autocast(), torch.compiler.set_stance("force_eager"):
                written = summarizer.summarize(
                    [rows[i]["question"] for i in places], [rows[i]["answer"] for i in places]
                )
            for place, summary in zip(places, written, strict=True):
                summaries[place] = summary
            progress.update(len(places))
    return summaries


def judge(
    name: str, summaries: list[str], rows: Sequence[dict[str, str]], tokenization: str = "morpheme"
) -> Result:
    """Score `summaries` of `rows`, with 95% intervals; `tokenization` as in `score_summaries`."""
    references = [row["summary"] for row in rows]
    sources = [f"{row['question']} {row['answer']}" for row in rows]
    scores = score_summaries(summaries, references, tokenization, intervals=True)
    return Result(
        name,
        scores.values,
        scores.intervals,
        scores.signatures,
        faithfulness(summaries, sources),
        summaries,
    )


def judge_model(
    name: str,
    summarizer: Summarizer,
    rows: Sequence[dict[str, str]],
    precision: Precision,
    tokenization: str = "morpheme",
) -> Result:
    """Let the model write, and score what it wrote; `rows` must fit (`Summarizer.fits`)."""
    started = time.perf_counter()
    summaries = written_summaries(summarizer, rows, precision)
    seconds = time.perf_counter() - started
    tokens = sum(len(ids) + 1 for ids in summarizer.tokenizer(summaries)["input_ids"])
    result = judge(name, summaries, rows, tokenization)
    return replace(result, tokens_per_second=tokens / seconds)
