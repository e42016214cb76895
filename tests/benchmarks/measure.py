"""What the benchmarks share: a process for each run, and Markdown tables."""

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def isolated(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call it in a fresh interpreter, so that its peak memory is its own."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context) as pool:
        return pool.submit(function, *args, **kwargs).result()


def print_table(title: str, header: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    print(f"\n**{title}**\n")
    for line in (header, ["---"] * len(header), *lines):
        print(f"| {' | '.join(line)} |", flush=True)
