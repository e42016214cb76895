"""Training: our loop against PEFT + the HF Trainer, as the original of this project set them up.

    python -m tests.benchmarks.training                      # the embedded base, the sample data
    python -m tests.benchmarks.training --shape gpt2 --steps 3 --window 4
    python -m tests.benchmarks.training --curves             # the losses of both, in fp32

Both train the same LoRA (rank 16 on attn.c_attn) on the same examples in the same order, by the
same fused AdamW and schedule, from the same weights, with dropout off; the Trainer one example at a
time and padded to a multiple of 8, with its weights in fp32 under autocast, as gpt2 is stored and
its bf16 and fp16 mean it; ours are in half precision there. The first step is not timed. Each run
has a process of its own; they alternate. gpt2's shape has random weights and random tokens, with
lengths like those of AI Hub's interviews under GPT-2's BPE.
"""

import argparse
import math
import statistics
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from data.encode import IGNORE, Example, encode_rows
from data.interviews import SAMPLE_CSV, read_interviews, split_interviews
from lora.inject import inject_lora
from model.base import load_base, with_padding
from model.device import peak_memory, pick_device
from model.precision import pick_precision
from tests.benchmarks.measure import base_folder, isolated, print_table, write_record
from training.config import TrainConfig
from training.execution import speed_up
from training.loop import Step, train
from training.schedule import cosine_with_warmup

TARGETS = ["attn.c_attn"]
# As `load_base` has it.
NO_DROPOUT = dict.fromkeys(("attn_pdrop", "resid_pdrop", "embd_pdrop"), 0.0)


@dataclass(frozen=True)
class Setup:
    """What both sides are given."""

    shape: str  # "gpt2" or "mini"
    base: str  # folder
    precision: str
    device: str
    steps: int
    window: int  # examples per step

    def config(self, **changes: Any) -> TrainConfig:
        return TrainConfig(
            targets=TARGETS,
            dropout=0.0,
            epochs=1,
            gradient_accumulation_steps=self.window,
            precision=self.precision,
            learning_rate=1e-3,
            **changes,
        )


@dataclass(frozen=True)
class Run:
    """What one run showed."""

    losses: list[float]
    examples_per_second: float
    tokens_per_second: float  # tokens of the data: padding is not counted
    peak_megabytes: float


def examples_of(setup: Setup) -> list[Example]:
    """The examples of the whole run, in the order in which they are trained on."""
    count = setup.steps * setup.window
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
        examples.append(Example(ids, labels, 0, 0, truncated=length == 1024))
    return examples


def ours(setup: Setup, changes: dict[str, Any]) -> Run:
    """`training.loop.train`; `changes` are settings of ours that the Trainer has no word for."""
    precision = pick_precision(setup.precision, pick_device(setup.device))
    examples = examples_of(setup)
    model = load_base(setup.base, precision.dtype).model.to(precision.device)  # type: ignore[arg-type]
    config = setup.config(**changes)
    inject_lora(model, config.lora)
    start_alike(model)
    speed_up(model, config, precision, longest=max(len(e.input_ids) for e in examples))
    losses, ends = [], []

    def on_step(step: Step, _due: bool) -> None:
        losses.append(step.loss)  # a number: the device has finished
        ends.append(time.perf_counter())

    train(model, in_order(examples, config), config, precision, on_step)
    return result(losses, ends, examples, setup)


def start_alike(model: torch.nn.Module) -> None:
    """Draw every A, PEFT's or ours, from one seed (B is zero)."""
    torch.manual_seed(1)
    for name, parameter in model.named_parameters():
        if "lora_A" in name:
            torch.nn.init.kaiming_uniform_(parameter, a=math.sqrt(5))


def in_order(examples: list[Example], config: TrainConfig) -> list[Example]:
    """Arranged so that the loop's shuffle brings them back into the order given."""
    shuffle = torch.Generator().manual_seed(config.seed)
    order = torch.randperm(len(examples), generator=shuffle).tolist()
    arranged = list(examples)
    for place, i in enumerate(order):
        arranged[i] = examples[place]
    return arranged


def trainer(setup: Setup) -> Run:
    """PEFT + Trainer."""
    import peft
    from transformers import (
        DataCollatorForSeq2Seq,
        PrinterCallback,
        Trainer,
        TrainerCallback,
        TrainingArguments,
    )

    precision = pick_precision(setup.precision, pick_device(setup.device))
    examples = examples_of(setup)
    model = AutoModelForCausalLM.from_pretrained(setup.base, dtype=torch.float32, **NO_DROPOUT)
    model.to(precision.device)
    config = setup.config()
    adapted = peft.get_peft_model(
        model,
        peft.LoraConfig(
            r=config.rank,
            lora_alpha=int(config.alpha),
            lora_dropout=config.dropout,
            target_modules=TARGETS,
            fan_in_fan_out=True,
            task_type="CAUSAL_LM",
        ),
    )
    start_alike(adapted)
    warmup = math.ceil(config.warmup_ratio * setup.steps)
    optimizer = torch.optim.AdamW(
        [p for p in adapted.parameters() if p.requires_grad], 1e-3, weight_decay=0.0, fused=True
    )
    schedule = partial(cosine_with_warmup, warmup=warmup, total=setup.steps)
    losses: list[float] = []
    ends: list[float] = []

    class Steps(TrainerCallback):
        def on_log(self, _args: Any, _state: Any, _control: Any, **kwargs: Any) -> None:
            if "loss" in kwargs["logs"]:
                losses.append(kwargs["logs"]["loss"])
                ends.append(time.perf_counter())

    tokenizer = with_padding(AutoTokenizer.from_pretrained(setup.base))
    run = Trainer(
        model=adapted,
        args=TrainingArguments(
            output_dir=tempfile.gettempdir(),  # nothing is saved
            per_device_train_batch_size=1,
            gradient_accumulation_steps=setup.window,
            num_train_epochs=1,
            bf16=precision.name == "bf16",
            fp16=precision.name == "fp16",
            use_cpu=precision.device.type == "cpu",
            train_sampling_strategy="sequential",
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
        ),
        train_dataset=[{"input_ids": e.input_ids, "labels": e.labels} for e in examples],
        data_collator=DataCollatorForSeq2Seq(tokenizer, pad_to_multiple_of=8),
        optimizers=(optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, schedule)),
        callbacks=[Steps()],
    )
    run.remove_callback(PrinterCallback)
    run.train()
    return result(losses, ends, examples, setup)


def result(losses: list[float], ends: list[float], examples: list[Example], setup: Setup) -> Run:
    """Rates from the end of the first step to that of the last."""
    timed = examples[setup.window :]
    seconds = ends[-1] - ends[0]
    peak = peak_memory(pick_device(setup.device)) or math.nan
    tokens = sum(len(example.input_ids) for example in timed)
    return Run(losses, len(timed) / seconds, tokens / seconds, peak / 1e6)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", choices=("mini", "gpt2"), default="mini")
    parser.add_argument("--precision", nargs="*", default=["fp32", "auto"])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--window", type=int, default=32, help="examples per step")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--curves", action="store_true", help="print both losses of each step")
    parser.add_argument("--switches", nargs="*", default=[], help="compile, gradient-checkpointing")
    parser.add_argument("--out", type=Path, help="JSON to write")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        base = base_folder(options.shape, Path(folder))
        setup = Setup(options.shape, base, "fp32", options.device, options.steps, options.window)
        records = race(setup, options)
    write_record(options.out, records)


def race(setup: Setup, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Alternate the ways in each precision, print a table for each; the records."""
    records: list[dict[str, Any]] = []
    device = pick_device(options.device)
    for name in dict.fromkeys(pick_precision(name, device).name for name in options.precision):
        at = replace(setup, precision=name)
        ways = {
            "PEFT + Trainer, batch 1": partial(isolated, trainer, at),
            "ours, micro-batch 1": partial(isolated, ours, at, {"micro_batch_tokens": 0}),
            "ours, token budget": partial(isolated, ours, at, {}),
            **{
                f"ours, {flag}": partial(isolated, ours, at, {flag.replace("-", "_"): True})
                for flag in options.switches
            },
        }
        runs: dict[str, list[Run]] = {way: [] for way in ways}
        for _ in range(options.runs):
            for way, start in ways.items():
                runs[way].append(start())
        records.append(
            {"setup": asdict(at), "runs": {w: [asdict(r) for r in runs[w]] for w in ways}}
        )
        report(f"{at.shape}, {name}", runs, options.curves)
    return records


def report(title: str, runs: dict[str, list[Run]], curves: bool) -> None:
    """Print medians, ratios against the first way, and how far its losses are."""

    def median(way: str, name: str) -> float:
        return statistics.median(getattr(run, name) for run in runs[way])

    first = next(iter(runs))
    lines = []
    for way in runs:
        speed, memory = median(way, "examples_per_second"), median(way, "peak_megabytes")
        apart = max(
            abs(a - b) for a, b in zip(runs[way][0].losses, runs[first][0].losses, strict=True)
        )
        lines.append(
            [
                way,
                f"{speed:.2f}",
                f"{median(way, 'tokens_per_second'):,.0f}",
                f"{speed / median(first, 'examples_per_second'):.2f}",
                f"{memory:,.0f}",
                f"{memory / median(first, 'peak_megabytes'):.2f}",
                f"{apart:.1e}",
            ]
        )
    header = ["", "examples/s", "tokens/s", "× first", "peak MB", "× first", "loss apart at most"]
    print_table(title, header, lines)
    if curves:
        print_table(
            "losses",
            ["step", *runs],
            [
                [str(i + 1), *(f"{runs[way][0].losses[i]:.6f}" for way in runs)]
                for i in range(len(runs[first][0].losses))
            ],
        )


if __name__ == "__main__":
    main()
