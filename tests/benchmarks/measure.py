"""What the benchmarks share: their command line, the bases, a process for each run, tables."""

import argparse
import json
import multiprocessing
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import torch
from transformers import GPT2Config, GPT2LMHeadModel

from common.console import table
from model.base import EMBEDDED, load_base

P = ParamSpec("P")
R = TypeVar("R")


def parse(
    parser: argparse.ArgumentParser, short: Mapping[str, Any], argv: Sequence[str] | None = None
) -> argparse.Namespace:
    """Parse the command line of a benchmark, to which this adds `--short` and `--out`.

    `--short` replaces the defaults by those of `short`: a run of a few seconds whose figures mean
    nothing, by which a test sees that the benchmark still runs.
    """
    parser.add_argument("--short", action="store_true", help="a few seconds, to see that it runs")
    parser.add_argument("--out", type=Path, help="JSON file to write the record to")
    if parser.parse_known_args(argv)[0].short:
        parser.set_defaults(**short)
    return parser.parse_args(argv)


def base_folder(shape: str, spare: Path) -> str:
    """The folder of the embedded base ("mini"), or of gpt2's shape with random weights in `spare`.

    The latter has the embedded base's tokenizer: only its padding id is used.
    """
    if shape == "mini":
        return str(EMBEDDED)
    torch.manual_seed(0)
    GPT2LMHeadModel(GPT2Config()).save_pretrained(spare)
    load_base(EMBEDDED.name).tokenizer.save_pretrained(spare)
    return str(spare)


def isolated(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call `function` in a fresh interpreter, so that its peak memory is its own."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context) as pool:
        return pool.submit(function, *args, **kwargs).result()


def print_table(title: str, header: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    """Print a Markdown table under a title in bold."""
    print(f"\n**{title}**\n\n{table(header, lines)}", flush=True)


def write_record(path: Path | None, record: object) -> None:
    """Write `record` as JSON, if a path was given."""
    if path:
        path.write_text(json.dumps(record, indent=2, default=str) + "\n", encoding="utf-8")
