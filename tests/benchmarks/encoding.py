"""From CSV to tokens: our `encode_rows` against `datasets.map` over the same tokenizer.

    python -m tests.benchmarks.encoding

What is usually written: one string of prompt and response, truncated on the right, the prompt
tokenized once more to know its length for the mask. Ours never cuts the response and never cuts
inside a character. Alternating runs, medians.
"""

import argparse
import csv
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from datasets import Dataset, disable_caching, disable_progress_bars

from data.encode import IGNORE, encode_rows
from data.interviews import read_interviews
from data.prompts import build_prompt
from data.synthesize import interview_rows
from lora.base import load_base
from tests.benchmarks.measure import print_table

EMBEDDED = "ko-gpt2-mini"


def usual(rows: Dataset, tokenizer: Any, max_length: int) -> Dataset:
    def encode(row: dict[str, str]) -> dict[str, list[int]]:
        prompt = build_prompt(row["question"], row["answer"])
        text = prompt + row["summary"] + tokenizer.eos_token
        ids = tokenizer(text, truncation=True, max_length=max_length)["input_ids"]
        length = len(tokenizer(prompt, truncation=True, max_length=max_length)["input_ids"])
        return {"input_ids": ids, "labels": [IGNORE] * length + ids[length:]}

    return rows.map(encode)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--out", type=Path, help="JSON to write")
    options = parser.parse_args()
    disable_caching()
    disable_progress_bars()
    tokenizer = load_base(EMBEDDED).tokenizer
    taken: dict[str, list[float]] = {"read the CSV": [], "ours": [], "datasets.map": []}
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
            taken["read the CSV"].append(time.perf_counter() - started)
            for way, encode in (("ours", encode_rows), ("datasets.map", usual)):
                started = time.perf_counter()
                encode(read, tokenizer, 1024)
                taken[way].append(time.perf_counter() - started)
    medians = {way: statistics.median(seconds) for way, seconds in taken.items()}
    header = ["", "rows/s", "times datasets.map"]
    lines = [
        [way, f"{options.rows / seconds:,.0f}", f"{medians['datasets.map'] / seconds:.2f}"]
        for way, seconds in medians.items()
    ]
    print_table(f"{options.rows:,} rows from CSV to tokens", header, lines)
    if options.out:
        text = json.dumps({"rows": options.rows, "seconds": taken}, indent=2)
        options.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
