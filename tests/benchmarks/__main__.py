"""`make bench`: the speed benchmarks one after the other, each in a process of its own.

    python -m tests.benchmarks [--device cuda] [--out bench] [--short]

Prints Markdown tables, and writes the records as JSON files into `--out`.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from model.device import pick_device
from tests.benchmarks.startup import FOUR_BIT

# The name of each record, and the benchmark that writes it with its options.
COMMANDS = {
    "training-mini": ["training"],
    "training-gpt2": ["training", "--shape", "gpt2"],
    "ranks": ["ranks"],
    "decoding-mini": ["decoding"],
    "decoding-gpt2": ["decoding", "--shape", "gpt2"],
    "encoding": ["encoding"],
    "startup": ["startup"],
    "page": ["page"],
}
# A step of 32 long examples at gpt2's shape takes minutes on two CPU cores.
CPU_OPTIONS = {
    "training-gpt2": ["--steps", "3", "--batch", "4", "--runs", "2"],
    "decoding-gpt2": ["--new", "40", "--runs", "1"],
}
WITH_DEVICE = ("training", "decoding")
WITH_MODELS = ("startup", "page")


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--output-dir", type=Path, default=Path("checkpoints"))
    parser.add_argument("--out", type=Path, default=Path("bench"))
    parser.add_argument("--short", action="store_true", help="a few seconds for each benchmark")
    options = parser.parse_args(argv)
    if not (options.output_dir / FOUR_BIT).is_dir():
        sys.exit(f"{options.output_dir / FOUR_BIT} is missing: make train && make quantize first")
    options.out.mkdir(parents=True, exist_ok=True)
    on_cpu = pick_device(options.device).type == "cpu"
    for name, (module, *arguments) in COMMANDS.items():
        command = [sys.executable, "-m", f"tests.benchmarks.{module}", *arguments]
        if module in WITH_DEVICE:
            command += ["--device", options.device]
        if module in WITH_MODELS:
            command += ["--output-dir", str(options.output_dir)]
        if options.short:
            command += ["--short"]
        elif on_cpu:
            command += CPU_OPTIONS.get(name, [])
        subprocess.run([*command, "--out", str(options.out / f"{name}.json")], check=True)


if __name__ == "__main__":
    main()
