"""Training: our loop against PEFT + the HF Trainer.

    python -m tests.benchmarks.training                      # the embedded base, the sample data
    python -m tests.benchmarks.training --shape gpt2 --steps 3 --batch 4
    python -m tests.benchmarks.training --curves             # prints the losses of both
    python -m tests.benchmarks.training --base-bits 4 8      # and ours over a quantised base

Both train the same LoRA (rank 16 on attn.c_attn) on the same examples in the same order, with the
same fused AdamW and schedule, from the same weights, without dropout. The Trainer takes one example
at a time, padded to a multiple of 8. In bf16 and fp16 its weights stay in fp32 under autocast, as
they do by default; ours are in half precision. The first step is not timed. The runs alternate,
each in a process of its own. gpt2's shape has random weights and random tokens, with lengths like
those of AI Hub's interviews under GPT-2's BPE.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from data.encode import Example
from lora.inject import inject_lora
from model.base import load_base
from model.device import pick_device, place
from model.precision import pick_precision
from tests.benchmarks.measure import base_folder, isolated, parse, print_table, write_record
from tests.benchmarks.training_setup import Run, Setup, examples_of, start_alike, summary_of
from training.config import TrainConfig
from training.execution import configure_execution
from training.loop import initial_state, train

HEADER = ["", "examples/s", "tokens/s", "× first", "peak MB", "× first", "loss apart at most"]
SHORT = {"steps": 2, "batch": 2, "runs": 1, "precision": ["fp32"], "base_bits": [4]}


def train_ours(setup: Setup, changes: dict[str, Any]) -> Run:
    """Train with `training.loop.train`; `changes` are settings that the Trainer does not have."""
    precision = pick_precision(setup.precision, pick_device(setup.device))
    examples = examples_of(setup)
    config = setup.config(**changes)
    model = load_base(setup.base, "auto" if config.base_bits else precision.dtype).model
    if config.base_bits:  # imported here so that bitsandbytes does not count as memory of LoRA
        from quant.frozen import quantize_base

        quantize_base(model, config.base_bits, precision.device, precision.dtype)
    place(model, precision.device)
    inject_lora(model, config.lora)
    start_alike(model)
    configure_execution(model, config, precision, longest=max(len(e.input_ids) for e in examples))
    losses, ends = [], []
    state = initial_state(model, config, precision)
    for step in train(model, unshuffled(examples, config), config, precision, state):
        losses.append(step.loss)  # a number, so the device has finished
        ends.append(time.perf_counter())
    return summary_of(losses, ends, examples, setup)


def train_theirs(setup: Setup) -> Run:
    """Train with PEFT + Trainer, imported here so that they do not count as memory of ours."""
    from tests.benchmarks.peft_trainer import train_with_trainer

    return train_with_trainer(setup)


def unshuffled(examples: list[Example], config: TrainConfig) -> list[Example]:
    """Arrange the examples so that the loop's shuffle restores the order that they had."""
    shuffle = torch.Generator().manual_seed(config.seed)
    order = torch.randperm(len(examples), generator=shuffle).tolist()
    arranged = list(examples)
    for position, i in enumerate(order):
        arranged[i] = examples[position]
    return arranged


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", choices=("mini", "gpt2"), default="mini")
    parser.add_argument("--precision", nargs="*", default=["fp32", "auto"])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--batch", type=int, default=32, help="examples per optimizer step")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--curves", action="store_true", help="print both losses of each step")
    parser.add_argument("--switches", nargs="*", default=[], help="compile, gradient-checkpointing")
    parser.add_argument("--base-bits", type=int, nargs="*", default=[], help="QLoRA: 4, 8")
    options = parse(parser, SHORT, argv)
    with tempfile.TemporaryDirectory() as folder:
        base = base_folder(options.shape, Path(folder))
        setup = Setup(options.shape, base, "fp32", options.device, options.steps, options.batch)
        records = race(setup, options)
    write_record(options.out, records)


def race(setup: Setup, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Alternate the ways in each precision, print a table for each, and return the records."""
    records: list[dict[str, Any]] = []
    device = pick_device(options.device)
    for name in dict.fromkeys(pick_precision(name, device).name for name in options.precision):
        at = replace(setup, precision=name)
        ways = {
            "PEFT + Trainer, batch 1": partial(train_theirs, at),
            "ours, micro-batch 1": partial(train_ours, at, {"micro_batch_tokens": 0}),
            "ours, token budget": partial(train_ours, at, {}),
        }
        for flag in options.switches:
            ways[f"ours, {flag}"] = partial(train_ours, at, {flag.replace("-", "_"): True})
        for bits in options.base_bits:
            ways[f"ours, {bits}-bit base"] = partial(train_ours, at, {"base_bits": bits})
        runs: dict[str, list[Run]] = {way: [] for way in ways}
        for _ in range(options.runs):
            for way, start in ways.items():
                runs[way].append(start() if options.short else isolated(start))
        records.append(
            {"setup": asdict(at), "runs": {w: [asdict(r) for r in runs[w]] for w in ways}}
        )
        print_table(f"{at.shape}, {name}", HEADER, report(runs))
        if options.curves:
            steps = zip(*(runs[way][0].losses for way in runs), strict=True)
            lines = [[str(i), *(f"{loss:.6f}" for loss in s)] for i, s in enumerate(steps, 1)]
            print_table("losses", ["step", *runs], lines)
    return records


def report(runs: dict[str, list[Run]]) -> list[list[str]]:
    """Medians, ratios against the first way, and how far the losses are from the first way's."""

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
    return lines


if __name__ == "__main__":
    main()
