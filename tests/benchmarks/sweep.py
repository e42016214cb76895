"""Sweeps for the defaults: one training run for each value, scored on development rows.

    python -m tests.benchmarks.sweep learning-rate 1e-5 1e-3 3e-3 6e-3 -- --epochs 1
    python -m tests.benchmarks.sweep rank 4 16 64
    python -m tests.benchmarks.sweep targets "attn.c_attn" "attn.c_attn attn.c_proj"
    python -m tests.benchmarks.sweep variants                # those of `VARIANTS`
    python -m tests.benchmarks.sweep variants LoRA "q and v"

The options after `--` go to each `python -m training`. The development rows are 100 rows by the
rules of the sample data, from another seed, and 36 hand-written ones; neither is trained on, and
neither is a row of the tables in BENCHMARKS.md. Prints a table for each, one line a value.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from datasets import Dataset

from data.interviews import read_interviews
from evaluation.baselines import BASELINES
from evaluation.evaluate import judge, judge_model
from evaluation.results import results_table
from infer.models import load_model
from infer.summarize import Summarizer
from model.precision import pick_precision
from pretraining.rows import interview_rows
from tests.benchmarks.measure import parse, write_record

CPU = torch.device("cpu")
HANDWRITTEN = Path("tests/data/handwritten_dev.csv")
# What the papers offer, each against the first. LoRA+ is best at a lower rate of A.
VARIANTS = {
    "LoRA": "",
    "attention alone": "--targets attn.c_attn attn.c_proj",
    "MLP alone": "--targets mlp.c_fc mlp.c_proj",
    "q and v": "--targets attn.c_attn:qv",
    "rank 64": "--rank 64",
    "rank 64, rsLoRA": "--rank 64 --rslora",
    "LoRA+": "--lora-plus 16",
    "LoRA+, a quarter of the rate": "--lora-plus 16 --learning-rate 6e-4",
    "4-bit base": "--base-bits 4",
}
SHORT = ["--max-steps", "1", "--gradient-accumulation-steps", "1", "--eval-samples", "1"]


def train_one(words: Sequence[str]) -> Summarizer:
    """Run `python -m training` with these options, and open its best adapter."""
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "training", *words, "--output-dir", out]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        adapter = next(Path(out).glob("*-lora/best"))
        return Summarizer(*load_model(str(adapter), CPU))


def main(argv: Sequence[str] | None = None) -> None:
    arguments = list(sys.argv[1:] if argv is None else argv)
    end = arguments.index("--") if "--" in arguments else len(arguments)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "option", nargs="?", help="an option of `python -m training` without --, or variants"
    )
    parser.add_argument("values", nargs="*")
    parser.add_argument("--limit", type=int, help="score only this many rows of each set")
    short = {"option": "variants", "values": ["q and v"], "limit": 2}
    options = parse(parser, short, arguments[:end])
    others = SHORT if options.short else arguments[end + 1 :]
    if options.option == "variants":
        runs = {name: VARIANTS[name] for name in options.values or VARIANTS}
    else:
        runs = {f"{options.option} {v}": f"--{options.option} {v}" for v in options.values}
    summarizers = {name: train_one([*words.split(), *others]) for name, words in runs.items()}
    sets = {
        "made by rules": Dataset.from_list(interview_rows(100, seed=1)),
        "hand-written": read_interviews(HANDWRITTEN).rows,
    }
    fp32 = pick_precision("fp32", CPU)
    record = {}
    for title, rows in sets.items():
        part = list(rows)[: options.limit]
        results = [
            judge(name, [summary_of(row) for row in part], part)
            for name, summary_of in BASELINES.items()
        ]
        results += [judge_model(name, model, part, fp32) for name, model in summarizers.items()]
        print(
            f"\n**{title}, development, {len(part)} rows**\n\n{results_table(results)}", flush=True
        )
        record[title] = [asdict(result) for result in results]
    write_record(options.out, record)


if __name__ == "__main__":
    main()
