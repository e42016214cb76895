"""The learning-rate sweep behind the default: one short run a rate, validation loss and scores.

    python -m tests.benchmarks.learning_rate --rates 1e-5 1e-3 3e-3 -- --epochs 1

What follows `--` goes to each `python -m training`. Prints a Markdown table.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rates", nargs="+", default=["1e-5", "1e-3", "3e-3", "6e-3"])
    parser.add_argument("training", nargs="*", help="options of python -m training, behind --")
    options = parser.parse_args()
    print("| learning rate | validation loss | ROUGE-1 | ROUGE-2 | ROUGE-L | BLEU |")
    print("| --- | --- | --- | --- | --- | --- |")
    for rate in options.rates:
        with tempfile.TemporaryDirectory() as out:
            command = [sys.executable, "-m", "training", "--learning-rate", rate]
            subprocess.run(
                [*command, "--output-dir", out, *options.training],
                check=True,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            log = next(Path(out).glob("*-lora/metrics.jsonl"))
            last = json.loads(log.read_text(encoding="utf-8").splitlines()[-1])
        scores = (last[name] for name in ("rouge1", "rouge2", "rougeL", "bleu"))
        cells = [rate, f"{last['validation_loss']:.3f}", *(f"{score:.1f}" for score in scores)]
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
