"""How good is the model now: loss on the validation rows, and summaries that it writes itself.

Generated, not teacher-forced: the argmax behind the reference's own words says little about text
that the model has to go on from by itself.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from datasets import Dataset
from tqdm import tqdm
from transformers import PreTrainedModel

from data.encode import Example, collate, cut_window
from infer.summarize import Summarizer
from training.loss import response_loss
from training.precision import Precision

BATCH = 32  # rows decoded at a time
TOKENS = 4096  # of a batch whose loss is computed, padding included


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
        return math.exp(self.per_token)

    @property
    def character_perplexity(self) -> float:
        """Of a response character: the same text costs this much under any tokenizer."""
        return math.exp(self.nats / self.characters)

    @property
    def record(self) -> dict[str, float]:
        """What a log keeps of it."""
        return {
            "validation_loss": self.per_token,
            "perplexity": self.perplexity,
            "character_perplexity": self.character_perplexity,
        }


@dataclass(frozen=True)
class Written:
    """Summaries that the model wrote, the rows they are of, and how long it took."""

    summaries: list[str]
    rows: list[dict[str, str]]
    seconds: float

    @property
    def references(self) -> list[str]:
        """What was hoped for."""
        return [row["summary"] for row in self.rows]


@torch.no_grad()
def held_out_loss(
    model: PreTrainedModel, examples: Sequence[Example], precision: Precision
) -> HeldOutLoss:
    """Cross entropy over all response tokens of `examples`."""
    model.eval()
    nats = 0.0
    for part in cut_window(examples, 1, TOKENS, multiple=16):
        batch = collate(part, pad_id=0, multiple=16)
        with precision.autocast():
            nats += response_loss(
                model, batch["input_ids"].to(precision.device), batch["labels"].to(precision.device)
            ).item()
    return HeldOutLoss(
        nats,
        sum(example.response_tokens for example in examples),
        sum(example.response_characters + 1 for example in examples),
    )


def written_summaries(summarizer: Summarizer, rows: Dataset, precision: Precision) -> Written:
    """Summaries of the rows whose question leaves room for one, in the order of `rows`."""
    summarizer.model.eval()
    chosen = [row for row in rows if summarizer.fits(row)]
    # Rows of like length together: little padding, and a batch ends soon after its first row does.
    order = sorted(range(len(chosen)), key=lambda i: len(chosen[i]["answer"]))
    summaries = [""] * len(chosen)
    started = time.perf_counter()
    with tqdm(total=len(chosen), desc="요약", unit="행", leave=False) as progress:
        for start in range(0, len(order), BATCH):
            places = order[start : start + BATCH]
            batch = [chosen[i] for i in places]
            with precision.autocast():
                written = summarizer.summarize(
                    [row["question"] for row in batch], [row["answer"] for row in batch]
                )
            for place, summary in zip(places, written, strict=True):
                summaries[place] = summary
            progress.update(len(batch))
    return Written(summaries, chosen, time.perf_counter() - started)
