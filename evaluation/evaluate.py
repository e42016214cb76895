"""How good is a model now: its loss on held-out rows, and summaries that it generates itself.

The summaries are generated and not teacher-forced. A model that predicts the reference's next word
from the reference's own words may still fail to continue what it has written itself.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from tqdm import tqdm
from transformers import PreTrainedModel

from data.batches import LENGTH_MULTIPLE, collate, split_batch
from data.encode import Example
from evaluation.checks import faithfulness
from evaluation.metrics import score_summaries
from evaluation.results import Result
from infer.summarize import Summarizer
from model.loss import response_loss
from model.precision import Precision
from model.ranks import gather, share, sum_over_ranks

BATCH_ROWS = 32  # rows decoded at a time
BATCH_TOKENS = 4096  # tokens whose loss is computed at a time, padding included


def safe_exp(x: float) -> float:
    """Return math.exp(x), or infinity where that overflows, as it does for a run that diverges."""
    return math.exp(x) if x < 700 else math.inf


@dataclass(frozen=True)
class HeldOutLoss:
    """Cross entropy over the responses of rows that the model was not trained on."""

    nats: float  # summed over the response tokens
    tokens: int  # response tokens, EOS included
    characters: int  # characters of the responses; the end of each response counts as one

    @property
    def per_token(self) -> float:
        """Mean loss of a response token, the quantity that training minimizes."""
        return self.nats / self.tokens

    @property
    def perplexity(self) -> float:
        """Perplexity of a response token, comparable only between models with one tokenizer."""
        return safe_exp(self.per_token)

    @property
    def character_perplexity(self) -> float:
        """Perplexity of a response character, comparable whatever the tokenizer."""
        return safe_exp(self.nats / self.characters)

    @property
    def record(self) -> dict[str, float]:
        """The values that a log keeps."""
        return {
            "validation_loss": self.per_token,
            "perplexity": self.perplexity,
            "character_perplexity": self.character_perplexity,
        }


@torch.no_grad()
def held_out_loss(
    model: PreTrainedModel,
    examples: Sequence[Example],
    summaries: Sequence[str],
    precision: Precision,
) -> HeldOutLoss:
    """Sum the cross entropy of all response tokens of `examples`, whose text is `summaries`.

    Ranks share the micro-batches out, and all get the sum.
    """
    model.eval()
    nats = 0.0
    for micro_batch in share(split_batch(examples, 1, BATCH_TOKENS, LENGTH_MULTIPLE)):
        batch = collate(micro_batch, pad_id=0, multiple=LENGTH_MULTIPLE)
        input_ids = batch["input_ids"].to(precision.device)  # (B, T)
        labels = batch["labels"].to(precision.device)  # (B, T)
        with precision.autocast():
            nats += response_loss(model, input_ids, labels).item()
    return HeldOutLoss(
        sum_over_ranks(nats),
        sum(example.response_tokens for example in examples),
        sum(len(summary) + 1 for summary in summaries),
    )


def summarize_rows(
    summarizer: Summarizer, rows: Sequence[dict[str, str]], precision: Precision
) -> list[str]:
    """Let the model write a summary of each row; every row must fit (`Summarizer.fits`).

    Ranks share the rows out, and all get the summaries.
    """
    summarizer.model.eval()
    # Rows of similar length are decoded together: they need little padding and end together.
    order = share(sorted(range(len(rows)), key=lambda i: len(rows[i]["answer"])))
    summaries: dict[int, str] = {}
    with tqdm(total=len(order), desc="요약", unit="행", leave=False) as progress:
        for start in range(0, len(order), BATCH_ROWS):
            indices = order[start : start + BATCH_ROWS]
            # Decode eagerly: a model compiled by --compile would be recompiled for every length.
            with precision.autocast(), torch.compiler.set_stance("force_eager"):
                written = summarizer.summarize(
                    [rows[i]["question"] for i in indices], [rows[i]["answer"] for i in indices]
                )
            summaries |= zip(indices, written, strict=True)
            progress.update(len(indices))
    for others in gather(summaries):
        summaries |= others
    return [summaries[i] for i in range(len(rows))]


def judge(
    name: str, summaries: list[str], rows: Sequence[dict[str, str]], tokenization: str = "morpheme"
) -> Result:
    """Score `summaries` of `rows` with 95% intervals; for `tokenization` see `score_summaries`."""
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
    """Let the model summarize `rows`, and score its summaries and its speed."""
    started = time.perf_counter()
    summaries = summarize_rows(summarizer, rows, precision)
    seconds = time.perf_counter() - started
    written = summarizer.tokenizer(summaries, add_special_tokens=False)["input_ids"]
    tokens = sum(len(ids) + 1 for ids in written)  # + 1: EOS
    result = judge(name, summaries, rows, tokenization)
    return replace(result, tokens_per_second=tokens / seconds)
