"""From CSV to tokens: our `encode_rows` against `datasets.map` over the same tokenizer.

    python -m tests.benchmarks.encoding

The usual way is one string of prompt and response, truncated on the right, with the prompt
tokenized once more because the mask needs its length. Ours never cuts the response and never cuts
inside a character. The two alternate; the table shows medians.
"""

import argparse
import csv
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset, disable_caching, disable_progress_bars

from data.encode import IGNORE, encode_rows
from data.interviews import read_interviews
from data.prompts import build_prompt
from model.base import EMBEDDED, load_base
from pretraining.rows import interview_rows
from tests.benchmarks.measure import parse, print_table, write_record

MAX_LENGTHS = (1024, 300)  # no row is cut; one row in six is


def usual(rows: Dataset, tokenizer: Any, max_length: int) -> Dataset:
    def encode(part: dict[str, list[str]]) -> dict[str, list[list[int]]]:
        prompts = list(map(build_prompt, part["question"], part["answer"]))
        texts = [p + s + tokenizer.eos_token for p, s in zip(prompts, part["summary"], strict=True)]
        ids = tokenizer(texts, truncation=True, max_length=max_length)["input_ids"]
        heads = tokenizer(prompts, truncation=True, max_length=max_length)["input_ids"]
        pairs = list(zip(ids, map(len, heads), strict=True))
        labels = [[IGNORE] * length + row[length:] for row, length in pairs]
        return {"input_ids": ids, "labels": labels}

    return rows.map(encode, batched=True)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--runs", type=int, default=3)
    options = parse(parser, {"rows": 50, "runs": 1}, argv)
    disable_caching()
    disable_progress_bars()
    tokenizer = load_base(EMBEDDED.name).tokenizer
    taken: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        rows = interview_rows(options.rows, seed=5)
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, rows[0].keys())
            writer.writeheader()
            writer.writerows(rows)
        for _ in range(options.runs):
            started = time.perf_counter()
            read = read_interviews(path).rows
            taken.setdefault("reading", []).append(time.perf_counter() - started)
            for length in MAX_LENGTHS:
                for way, encode in (("ours", encode_rows), ("datasets.map", usual)):
                    started = time.perf_counter()
                    encode(read, tokenizer, length)
                    seconds = time.perf_counter() - started
                    taken.setdefault(f"{way}, at most {length}", []).append(seconds)
    header = ["", "rows/s"]
    lines = [
        [way, f"{options.rows / statistics.median(seconds):,.0f}"] for way, seconds in taken.items()
    ]
    print_table(f"{options.rows:,} rows from CSV to tokens", header, lines)
    write_record(options.out, {"rows": options.rows, "seconds": taken})


if __name__ == "__main__":
    main()
