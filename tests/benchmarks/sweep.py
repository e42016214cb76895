"""The sweeps behind the defaults: a training run for each value, scored on development rows.

    python -m tests.benchmarks.sweep learning-rate 1e-5 1e-3 3e-3 6e-3 -- --epochs 1
    python -m tests.benchmarks.sweep rank 4 16 64
    python -m tests.benchmarks.sweep targets "attn.c_attn" "attn.c_attn attn.c_proj"

What follows `--` goes to each `python -m training`. Prints the tables of
`tests.benchmarks.quality --dev`, one line a value.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from infer.models import load_model
from infer.summarize import Summarizer
from tests.benchmarks.quality import CPU, compare, row_sets


def main() -> None:
    arguments = sys.argv[1:]
    end = arguments.index("--") if "--" in arguments else len(arguments)
    option, *values = arguments[:end]
    summarizers = {}
    for value in values:
        with tempfile.TemporaryDirectory() as out:
            command = [sys.executable, "-m", "training", f"--{option}", *value.split()]
            subprocess.run(
                [*command, "--output-dir", out, *arguments[end + 1 :]],
                check=True,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            adapter = next(Path(out).glob("*-lora/best"))
            summarizers[f"{option} {value}"] = Summarizer(*load_model(adapter, CPU))
    compare(summarizers, row_sets(dev=True))


if __name__ == "__main__":
    main()
