"""What the benchmarks share: the bases, a process for each run, tables and records."""

import json
import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import ParamSpec, TypeVar

import torch
from transformers import GPT2Config, GPT2LMHeadModel

from common.console import table
from model.base import EMBEDDED, load_base

P = ParamSpec("P")
R = TypeVar("R")


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
    """Call it in a fresh interpreter, so that its peak memory is its own."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context) as pool:
        return pool.submit(function, *args, **kwargs).result()


def print_table(title: str, header: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    print(f"\n**{title}**\n\n{table(header, lines)}", flush=True)


def write_record(path: Path | None, record: object) -> None:
    """Write `record` as JSON, if a path was given."""
    if path:
        path.write_text(json.dumps(record, indent=2, default=str) + "\n", encoding="utf-8")
