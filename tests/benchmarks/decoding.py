"""Decoding: our loop against transformers' `generate`, and the size of the files.

    python -m tests.benchmarks.decoding                      # the embedded base
    python -m tests.benchmarks.decoding --shape gpt2         # gpt2's shape, random weights

Both decode greedily from the same model object, always `--new` tokens after prompts of one length.
The pass over the prompt is timed by itself (one new token) and subtracted: tokens/s are those of
the steps after it. The two alternate; the table shows medians.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, PreTrainedModel

from infer.generate import generate
from infer.models import load_model
from infer.settings import GREEDY
from model.base import load_base
from model.device import pick_device, place
from model.precision import DTYPES
from quant.build import quantize, size_in_mb
from quant.store import default_compute_dtype
from quant.swap import EightBit, FourBit
from tests.benchmarks.measure import base_folder, parse, print_table, write_record

PROMPT = {"mini": 250, "gpt2": 600}  # tokens: an interview under each base's tokenizer


def write_models(source: str, folder: Path, device: torch.device) -> list[list[str]]:
    """Write fp16, 8-bit and 4-bit as `make quantize` does; a line for each: size and seconds."""
    base = load_base(source)
    base.model.half().save_pretrained(folder / "fp16")
    base.tokenizer.save_pretrained(folder / "fp16")
    lines = [["fp16", f"{size_in_mb(folder / 'fp16'):.1f}", ""]]
    dtype = default_compute_dtype(device)
    schemes = {
        "8-bit": EightBit(),
        "4-bit": FourBit(False, dtype),
        "4-bit, double quant": FourBit(True, dtype),
    }
    for name, scheme in schemes.items():
        base = load_base(source, torch.float16)
        started = time.perf_counter()
        quantize(base, scheme, device, folder / name)
        seconds = time.perf_counter() - started
        lines.append([name, f"{size_in_mb(folder / name):.1f}", f"{seconds:.1f}"])
    return lines


def load(folder: Path, kind: str, device: torch.device) -> PreTrainedModel:
    if kind in DTYPES:
        model = AutoModelForCausalLM.from_pretrained(folder / "fp16", dtype=DTYPES[kind])
        return place(model, device).eval()
    return load_model(str(folder / kind), device)[0]


def ours(model: PreTrainedModel, ids: torch.Tensor, new: int) -> torch.Tensor:
    settings = replace(GREEDY, max_new_tokens=new)
    return torch.stack(list(generate(model, ids, torch.ones_like(ids), -1, settings)), 1)


def theirs(model: PreTrainedModel, ids: torch.Tensor, new: int) -> torch.Tensor:
    model.generation_config.eos_token_id = None  # neither stops before `new`
    output = model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=new,
        do_sample=False,
        pad_token_id=0,
    )
    return output[:, ids.shape[1] :]


def seconds(call: Callable[[], torch.Tensor], device: torch.device) -> float:
    started = time.perf_counter()
    call()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started


def measure(model: PreTrainedModel, batch: int, prompt: int, new: int, runs: int) -> dict[str, Any]:
    """Median seconds of the prompt and of all tokens, for each way; the share of equal tokens."""
    torch.manual_seed(0)
    device = model.device
    ids = torch.randint(1, model.config.vocab_size, (batch, prompt), device=device)
    ways = {"ours": ours, "generate": theirs}
    taken: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    for run in range(runs + 1):
        for way, function in ways.items():
            first = seconds(partial(function, model, ids, 1), device)
            whole = seconds(partial(function, model, ids, new), device)
            if run:  # the first warms up
                taken[way].append((first, whole))
    agree = float((ours(model, ids, new) == theirs(model, ids, new)).float().mean())
    medians = {
        way: [statistics.median(column) for column in zip(*pairs, strict=True)]
        for way, pairs in taken.items()
    }
    return {"batch": batch, "seconds": medians, "agree": agree}


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", choices=("mini", "gpt2"), default="mini")
    parser.add_argument("--kinds", nargs="*", default=["fp32", "bf16", "8-bit", "4-bit"])
    parser.add_argument("--batch", type=int, nargs="*", default=[1, 16])
    parser.add_argument("--new", type=int, default=100)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    short = {"kinds": ["fp32", "4-bit"], "batch": [2], "new": 4, "runs": 1}
    options = parse(parser, short, argv)
    device = pick_device(options.device)
    records, lines = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = base_folder(options.shape, folder / "base")
        files = write_models(source, folder, device)
        print_table(f"{options.shape}: files", ["", "MB", "seconds to quantise"], files)
        for kind in options.kinds:
            model = load(folder, kind, device)
            for batch in options.batch:
                record = measure(model, batch, PROMPT[options.shape], options.new, options.runs)
                records.append({"kind": kind} | record)
                (p, whole), (p_theirs, whole_theirs) = record["seconds"].values()
                rate = batch * (options.new - 1) / (whole - p)
                other = batch * (options.new - 1) / (whole_theirs - p_theirs)
                lines.append(
                    [
                        kind,
                        str(batch),
                        f"{rate:.0f}",
                        f"{other:.0f}",
                        f"{rate / other:.2f}",
                        f"{p:.2f}",
                        f"{p_theirs:.2f}",
                        f"{whole_theirs / whole:.2f}",
                        f"{record['agree']:.1%}",
                    ]
                )
    header = ["", "batch", "ours, tokens/s", "generate, tokens/s", "times faster", "prompt, s"]
    header += ["generate's, s", "with the prompt, times faster", "same tokens"]
    print_table(f"{options.shape}: decoding, {device.type}", header, lines)
    record = {"files": files, "decoding": records, "options": vars(options)}
    write_record(options.out, record)


if __name__ == "__main__":
    main()
