"""How good is the model now: loss on the validation rows, and summaries that it writes itself.

Generated, not teacher-forced: the argmax behind the reference's own words says little about text
that the model has to go on from by itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from data.encode import Example, collate
from infer.summarize import Summarizer
from training.loss import response_loss
from training.metrics import score_summaries
from training.precision import Precision

BATCH = 16  # rows decoded at a time


@dataclass(frozen=True)
class Written:
    """Summaries that the model wrote, what was hoped for, and the scores (0 to 100)."""

    summaries: list[str]
    references: list[str]
    scores: dict[str, float]


@torch.no_grad()
def validation_loss(
    model: PreTrainedModel, examples: Sequence[Example], precision: Precision
) -> float:
    """Mean cross entropy over all response tokens of `examples`, in nats."""
    model.eval()
    total = 0.0
    for example in examples:
        batch = collate([example], pad_id=0, multiple=16)
        with precision.autocast():
            total += response_loss(
                model, batch["input_ids"].to(precision.device), batch["labels"].to(precision.device)
            ).item()
    return total / sum(example.response_tokens for example in examples)


def written_summaries(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: Dataset,
    precision: Precision,
    samples: int,
) -> Written:
    """Summarise and score the first `samples` rows whose question leaves room for a summary."""
    model.eval()
    summarizer = Summarizer(model, tokenizer)
    chosen = [row for row in rows.select(range(min(samples, len(rows)))) if summarizer.fits(row)]
    summaries: list[str] = []
    for start in range(0, len(chosen), BATCH):
        batch = chosen[start : start + BATCH]
        with precision.autocast():
            summaries += summarizer.summarize(
                [row["question"] for row in batch], [row["answer"] for row in batch]
            )
    references = [row["summary"] for row in chosen]
    scores = score_summaries(summaries, references) if chosen else {}
    return Written(summaries, references, scores)
