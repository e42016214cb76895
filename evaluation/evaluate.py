"""How good is the model now: loss on the validation rows, and summaries that it writes itself.

Generated, not teacher-forced: the argmax behind the reference's own words says little about text
that the model has to go on from by itself.
"""

import math
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from tqdm import tqdm
from transformers import PreTrainedModel

from common.console import UserError
from data.batches import LENGTH_MULTIPLE, collate, split_batch
from data.encode import Example, encode_rows
from evaluation.metrics import faithfulness, score_summaries
from evaluation.results import Result
from infer.models import load_model
from infer.summarize import Summarizer
from lora.adapter import base_of
from model.base import local_folder
from model.device import peak_memory, pick_device
from model.loss import response_loss
from model.precision import Precision, pick_precision

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
    for part in split_batch(examples, 1, TOKENS, LENGTH_MULTIPLE):
        batch = collate(part, pad_id=0, multiple=LENGTH_MULTIPLE)
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


def sentences(text: str) -> list[str]:
    """`text` cut after each full stop, question or exclamation mark."""
    return re.split(r"(?<=[.?!])\s", text)


def first_sentence(row: dict[str, str]) -> str:
    """The simplest summary there is: what the answer begins with."""
    return sentences(row["answer"])[0]


def measure(name: str, path: str, rows: Dataset, device: str, tokenization: str) -> Result:
    """Score one model; to be called in a process of its own.

    Raises:
        UserError: a row that does not fit into the model's context.
    """
    model, tokenizer = load_model(path, pick_device(device))
    precision = pick_precision("fp32", model.device)  # as the model was opened: no autocast
    summarizer = Summarizer(model, tokenizer)
    for row in rows:
        if not summarizer.fits(row["question"]):
            raise UserError(
                f"데이터의 {row['row']}번째 행: 질문과 요약이 문맥 {summarizer.context}토큰을 "
                "넘습니다. 그 행을 줄이거나 빼세요."
            )
    loss = held_out_loss(model, encode_rows(rows, tokenizer, summarizer.context), precision)
    result = judge_model(name, summarizer, list(rows), precision, tokenization)
    peak = peak_memory(model.device)
    return replace(
        result,
        perplexity=loss.perplexity,
        character_perplexity=loss.character_perplexity,
        megabytes=weights_in_megabytes(name, path),
        peak_megabytes=peak / 1e6 if peak else None,
    )


def weights_in_megabytes(name: str, path: str) -> float | None:
    """Size of the weights (10^6 bytes); an adapter's with its base's. None for one in a cache."""
    folders = [local_folder(path)]
    if name == "lora":
        folders.append(local_folder(base_of(Path(path))))
    files: list[Any] = [list(folder.glob("*.safetensors")) for folder in folders if folder]
    if len(files) < len(folders):
        return None
    return sum(file.stat().st_size for group in files for file in group) / 1e6
