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


@dataclass(frozen=True)
class Evaluation:
    """Loss in nats per response token over all rows; scores (0 to 100) of the written summaries."""

    loss: float
    scores: dict[str, float]
    summaries: list[str]


@torch.no_grad()
def validation_loss(
    model: PreTrainedModel, examples: Sequence[Example], precision: Precision
) -> float:
    """Mean cross entropy over all response tokens of `examples`, in nats."""
    model.eval()
    total = 0.0
    for example in examples:
        batch = collate([example], pad_id=0)
        with precision.autocast():
            total += response_loss(
                model, batch["input_ids"].to(precision.device), batch["labels"].to(precision.device)
            ).item()
    return total / sum(example.response_tokens for example in examples)


def evaluate(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: Dataset,
    examples: Sequence[Example],
    precision: Precision,
    samples: int,
) -> Evaluation:
    """Loss over all validation rows, and the first `samples` of them summarised and scored."""
    loss = validation_loss(model, examples, precision)
    chosen = rows[:samples]
    summarizer = Summarizer(model, tokenizer)
    with precision.autocast():
        summaries = summarizer.summarize(chosen["question"], chosen["answer"])
    return Evaluation(loss, score_summaries(summaries, chosen["summary"]), summaries)
