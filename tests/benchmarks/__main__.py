"""`make bench`: the speed benchmarks one after the other, each in a process of its own.

    python -m tests.benchmarks [--device cuda] [--out bench]

Prints Markdown tables; the records go to JSON files in `--out`.
"""

import argparse
import subprocess
import sys
from pathlib import Path

COMMANDS = {
    "training-mini": ["training"],
    "training-gpt2": ["training", "--shape", "gpt2"],
    "decoding-mini": ["decoding"],
    "decoding-gpt2": ["decoding", "--shape", "gpt2"],
    "encoding": ["encoding"],
    "startup": ["startup"],
}
# On two CPU cores a window of 32 long examples of gpt2's shape takes minutes: a quarter of one.
SMALL = {
    "training-gpt2": ["--steps", "1", "--window", "8", "--runs", "2"],
    "decoding-gpt2": ["--new", "40", "--runs", "1"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, default=Path("bench"))
    options = parser.parse_args()
    options.out.mkdir(exist_ok=True)
    for name, (module, *arguments) in COMMANDS.items():
        if module in ("training", "decoding"):
            arguments += ["--device", options.device]
        if options.device == "cpu":
            arguments += SMALL.get(name, [])
        command = [sys.executable, "-m", f"tests.benchmarks.{module}", *arguments]
        subprocess.run([*command, "--out", str(options.out / f"{name}.json")], check=True)


if __name__ == "__main__":
    main()
