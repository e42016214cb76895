"""From the command to the first characters: `make infer` against the shortest script of its kind.

    python -m tests.benchmarks.startup        # after make train and make quantize

The script imports transformers, opens the same 4-bit folder with `from_pretrained` and lets
`generate` write one token, which any program of this kind has to wait for. The two alternate; the
table shows medians.
"""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.measure import parse, print_table, write_record

FOUR_BIT = "ko-gpt2-mini-bnb-4bit"
SCRIPT = """
import sys
from transformers import AutoModelForCausalLM, AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
model = AutoModelForCausalLM.from_pretrained(sys.argv[1])
inputs = tokenizer("질문: 장점이 무엇인가요?", return_tensors="pt")
print(tokenizer.decode(model.generate(**inputs, max_new_tokens=1)[0]), flush=True)
"""


def seconds_to_output(arguments: list[str]) -> float:
    """Seconds until the program's first byte on standard output."""
    started = time.perf_counter()
    command = [sys.executable, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as program:
        assert program.stdout is not None
        if not program.stdout.read(1):
            raise RuntimeError(f"{arguments[:2]} wrote nothing")
        seconds = time.perf_counter() - started
        program.stdout.read()
    return seconds


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--output-dir", type=Path, default=Path("checkpoints"))
    options = parse(parser, {"runs": 1}, argv)
    folder = str(options.output_dir / FOUR_BIT)
    ways = {
        "python -m infer": ["-m", "infer", "--model", folder],
        "transformers alone": ["-c", SCRIPT, folder],
        "import torch": ["-c", "import torch; print(1, flush=True)"],
    }
    taken: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(options.runs):
        for way, arguments in ways.items():
            taken[way].append(seconds_to_output(arguments))
    lines = [[way, f"{statistics.median(seconds):.1f}"] for way, seconds in taken.items()]
    print_table("first characters", ["", "seconds"], lines)
    write_record(options.out, taken)


if __name__ == "__main__":
    main()
