"""The page, from the click to the text, against the same model without a page.

    python -m tests.benchmarks.page           # after make train and make quantize

Alone: `Summarizer` in this process, one answer after the other. Over the page: gradio_client asks
`python -m chat.web` on this machine, first one client at a time, then all at once. The answers are
the example's, each with another number in it. The model is the 4-bit one.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from gradio_client import Client

from infer.__main__ import EXAMPLE_ANSWER, EXAMPLE_QUESTION
from infer.models import load_model
from infer.summarize import Summarizer
from model.device import pick_device
from tests.benchmarks.measure import parse, print_table, write_record
from tests.benchmarks.startup import FOUR_BIT
from tests.chat.web.site import serving

Ask = Callable[[str], Iterable[str]]


def seconds(ask: Ask, answer: str) -> tuple[float, float]:
    """Seconds until the first characters of a summary and until its last."""
    first = 0.0
    begin = time.perf_counter()
    for text in ask(answer):
        if text and not first:
            first = time.perf_counter() - begin
    return first, time.perf_counter() - begin


def one_by_one(ask: Ask, answers: list[str]) -> dict[str, float]:
    """Median seconds of an answer, and the seconds of all."""
    begin = time.perf_counter()
    each = [seconds(ask, answer) for answer in answers]
    first, last = map(statistics.median, zip(*each, strict=True))
    return {"first": first, "last": last, "all": time.perf_counter() - begin}


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--output-dir", type=Path, default=Path("checkpoints"))
    options = parse(parser, {"clients": 2}, argv)
    clients = options.clients
    answers = [EXAMPLE_ANSWER.replace("8개월", f"{i}개월") for i in range(1, clients + 1)]
    summarizer = Summarizer(*load_model(str(options.output_dir / FOUR_BIT), pick_device("auto")))

    def alone(answer: str) -> Iterable[str]:
        return summarizer.stream(EXAMPLE_QUESTION, answer)

    list(alone(EXAMPLE_ANSWER))  # the first of a process is slower
    record = {"Summarizer alone": one_by_one(alone, answers)}
    with serving(options.output_dir) as site:
        connections = [Client(site.address, verbose=False) for _ in answers]

        def page(answer: str) -> Iterable[str]:
            client = connections[answers.index(answer)]
            return client.submit(EXAMPLE_QUESTION, answer, "4bit", api_name="/summarize")

        list(page(answers[0]))
        record["page, one client at a time"] = one_by_one(page, answers)
        begin = time.perf_counter()
        with ThreadPoolExecutor(clients) as visitors:
            each = list(visitors.map(lambda answer: seconds(page, answer), answers))
        total = time.perf_counter() - begin
        first, last = map(statistics.median, zip(*each, strict=True))
        record[f"page, {clients} clients at once"] = {"first": first, "last": last, "all": total}
    base = record["Summarizer alone"]["all"]
    lines = [
        [way, *(f"{t[when]:.2f}" for when in ("first", "last", "all")), f"{t['all'] / base:.2f}x"]
        for way, t in record.items()
    ]
    header = ["", "first characters (s)", "whole summary (s)", f"all {clients} (s)", "ratio"]
    print_table("page", header, lines)
    write_record(options.out, record)


if __name__ == "__main__":
    main()
