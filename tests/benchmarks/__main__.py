"""`make bench`: the speed benchmarks one after the other, each in a process of its own.

    python -m tests.benchmarks [--device cuda] [--out bench]

Prints Markdown tables; the records go to JSON files in `--out`.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from model.device import pick_device
from tests.benchmarks.startup import FOLDER

COMMANDS = {
    "training-mini": ["training"],
    "training-gpt2": ["training", "--shape", "gpt2"],
    "decoding-mini": ["decoding"],
    "decoding-gpt2": ["decoding", "--shape", "gpt2"],
    "encoding": ["encoding"],
    "startup": ["startup"],
    "page": ["page"],
}
# On two CPU cores a window of 32 long examples of gpt2's shape takes minutes: a quarter of one.
SMALL = {
    "training-gpt2": ["--steps", "3", "--window", "4", "--runs", "2"],
    "decoding-gpt2": ["--new", "40", "--runs", "1"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, default=Path("bench"))
    options = parser.parse_args()
    if not Path(FOLDER).is_dir():
        sys.exit(f"{FOLDER} is missing: make train && make quantize first")
    options.out.mkdir(parents=True, exist_ok=True)
    on_cpu = pick_device(options.device).type == "cpu"
    for name, (module, *arguments) in COMMANDS.items():
        if module in ("training", "decoding"):
            arguments += ["--device", options.device]
        if on_cpu:
            arguments += SMALL.get(name, [])
        command = [sys.executable, "-m", f"tests.benchmarks.{module}", *arguments]
        subprocess.run([*command, "--out", str(options.out / f"{name}.json")], check=True)


if __name__ == "__main__":
    main()
