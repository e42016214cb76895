"""What both sides of the training benchmark share: the task, the data, what a run reports."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from transformers import AutoTokenizer

from data.encode import IGNORE, Example, encode_rows
from data.interviews import SAMPLE_CSV, read_interviews, split_interviews
from model.device import peak_memory, pick_device
from model.tokenizer import with_padding
from training.config import TrainConfig

TARGETS = ["attn.c_attn"]


@dataclass(frozen=True)
class Setup:
    """The task that both sides are given."""

    shape: str  # "gpt2" or "mini"
    base: str  # folder
    precision: str
    device: str
    steps: int
    batch: int  # examples per optimizer step

    def config(self, **changes: Any) -> TrainConfig:
        return TrainConfig(
            targets=TARGETS,
            dropout=0.0,
            epochs=1,
            gradient_accumulation_steps=self.batch,
            precision=self.precision,
            learning_rate=1e-3,
            **changes,
        )


@dataclass(frozen=True)
class Run:
    """What one run reports."""

    losses: list[float]
    examples_per_second: float
    tokens_per_second: float  # tokens of the data, without padding
    peak_megabytes: float


def examples_of(setup: Setup) -> list[Example]:
    """The examples of the whole run, in the order in which they are trained on."""
    count = setup.steps * setup.batch
    if setup.shape == "mini":
        rows = split_interviews(read_interviews(SAMPLE_CSV).rows)[0]
        tokenizer = with_padding(AutoTokenizer.from_pretrained(setup.base))
        return encode_rows(rows.select(range(count)), tokenizer, 1024)
    # AI Hub's answers under GPT-2's BPE, 2.1 tokens a character: many are cut at 1,024.
    random = np.random.default_rng(0)
    examples = []
    for length in np.clip(random.lognormal(math.log(700), 0.45, count), 150, 1024).astype(int):
        response = int(np.clip(random.normal(100, 25), 40, 140))
        ids = random.integers(0, 50257, length).tolist()
        labels = [IGNORE] * (length - response) + ids[-response:]
        examples.append(Example(ids, labels))
    return examples


def start_alike(model: torch.nn.Module) -> None:
    """Draw every A, PEFT's or ours, from one seed (B is zero)."""
    torch.manual_seed(1)
    for name, parameter in model.named_parameters():
        if "lora_A" in name:
            torch.nn.init.kaiming_uniform_(parameter, a=math.sqrt(5))


def summary_of(
    losses: list[float], ends: list[float], examples: list[Example], setup: Setup
) -> Run:
    """The rates from the end of the first step to the end of the last."""
    timed = examples[setup.batch :]
    seconds = ends[-1] - ends[0]
    peak = peak_memory(pick_device(setup.device)) or math.nan
    tokens = sum(len(example.input_ids) for example in timed)
    return Run(losses, len(timed) / seconds, tokens / seconds, peak / 1e6)
