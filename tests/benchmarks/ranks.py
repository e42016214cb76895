"""Two ranks, a core each, against one process on two cores and on one.

    python -m tests.benchmarks.ranks                 # the embedded base, the sample data

All train the same LoRA on the same examples, 32 to a step, with `make train`'s settings but for
dropout. The first step is not timed. The runs alternate, each in processes of its own, which meet
by gloo.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from lora.inject import inject_lora
from model.base import load_base
from model.device import pick_device
from model.precision import pick_precision
from model.ranks import gather
from tests.benchmarks.measure import base_folder, parse, print_table, write_record
from tests.benchmarks.training_setup import Run, Setup, examples_of, start_alike, summary_of
from training.config import TrainConfig
from training.execution import configure_execution
from training.loop import initial_state, train

HEADER = ["", "examples/s", "× first", "peak MB of each", "loss apart at most"]
SHORT = {"steps": 2, "batch": 2, "runs": 1, "precision": ["fp32"]}
# Processes, and the threads that each computes with.
WAYS = {"1 process, 1 thread": (1, 1), "1 process, 2 threads": (1, 2), "2 ranks, 1 thread": (2, 1)}


def train_rank(setup: Setup, number: int, count: int, threads: int, meeting: str) -> Run:
    """Train as rank `number` of `count`."""
    torch.set_num_threads(threads)
    dist.init_process_group("gloo", init_method=meeting, rank=number, world_size=count)
    precision = pick_precision(setup.precision, pick_device("cpu"))
    examples = examples_of(setup)
    model = load_base(setup.base, precision.dtype).model
    config = TrainConfig(gradient_accumulation_steps=setup.batch, dropout=0.0)
    inject_lora(model, config.lora)
    start_alike(model)
    configure_execution(model, config, precision, longest=max(len(e.input_ids) for e in examples))
    losses, ends = [], []
    for step in train(model, examples, config, precision, initial_state(model, config, precision)):
        losses.append(step.loss)
        ends.append(time.perf_counter())
    gather(None)  # all have done
    dist.destroy_process_group()
    return summary_of(losses, ends, examples, setup)


def train_together(setup: Setup, count: int, threads: int) -> Run:
    """What rank 0 of `count` reports."""
    processes = get_context("forkserver")  # a process that has imported this file, once, and forks
    processes.set_forkserver_preload([__name__])
    with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(count, processes) as pool:
        meeting = f"file://{folder}/meeting"
        ranks = [pool.submit(train_rank, setup, n, count, threads, meeting) for n in range(count)]
        first, *_ = [rank.result() for rank in ranks]
        return first


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--precision", nargs="*", default=["fp32", "auto"])
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--batch", type=int, default=32, help="examples per optimizer step")
    parser.add_argument("--runs", type=int, default=3)
    options = parse(parser, SHORT, argv)
    records = []
    for name in options.precision:
        precision = pick_precision(name, pick_device("cpu")).name
        base = base_folder("mini", Path())
        setup = Setup("mini", base, precision, "cpu", options.steps, options.batch)
        runs: dict[str, list[Run]] = {way: [] for way in WAYS}
        for _ in range(options.runs):
            for way, (count, threads) in WAYS.items():
                runs[way].append(train_together(setup, count, threads))
        print_table(f"embedded base, {precision}", HEADER, report(runs))
        records.append(
            {"setup": asdict(setup), "runs": {w: [asdict(r) for r in runs[w]] for w in WAYS}}
        )
    write_record(options.out, records)


def report(runs: dict[str, list[Run]]) -> list[list[str]]:
    """Medians, speeds against the first way's, and how far the losses are from the first way's."""

    def median(way: str, name: str) -> Any:
        return statistics.median(getattr(run, name) for run in runs[way])

    first = next(iter(runs))
    lines = []
    for way in runs:
        speed = median(way, "examples_per_second")
        losses = zip(runs[way][0].losses, runs[first][0].losses, strict=True)
        lines.append(
            [
                way,
                f"{speed:.2f}",
                f"{speed / median(first, 'examples_per_second'):.2f}",
                f"{median(way, 'peak_megabytes'):,.0f}",
                f"{max(abs(a - b) for a, b in losses):.1e}",
            ]
        )
    return lines


if __name__ == "__main__":
    main()
