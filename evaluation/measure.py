"""All that one model's line of the table shows, measured in a process of its own.

The process makes the peak memory the model's own.
"""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

from datasets import Dataset
from transformers.utils.logging import disable_progress_bar

from data.encode import encode_rows
from evaluation.evaluate import held_out_loss, judge_model
from evaluation.results import Result
from infer.models import load_model
from infer.settings import Decoding
from infer.summarize import Summarizer
from lora.adapter import base_of
from model.base import local_folder
from model.device import peak_memory, pick_device
from model.precision import pick_precision


def measure_apart(
    name: str, path: str, rows: Dataset, device: str, tokenization: str, settings: Decoding
) -> Result:
    """Call `measure` in a fresh process.

    The process is spawned: a forked one would inherit this one's memory and threads.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context, initializer=disable_progress_bar) as pool:
        return pool.submit(measure, name, path, rows, device, tokenization, settings).result()


def measure(
    name: str, path: str, rows: Dataset, device: str, tokenization: str, settings: Decoding
) -> Result:
    """Open a model, let it summarize `rows`, and score it.

    Raises:
        UserError: a row does not fit into the model's context.
    """
    model, tokenizer = load_model(path, pick_device(device))
    precision = pick_precision("fp32", model.device)  # no autocast: the model runs as it is stored
    summarizer = Summarizer(model, tokenizer, settings)
    for row in rows:
        summarizer.check(row["question"], where=f"데이터의 {row['row']}번째 행")
    examples = encode_rows(rows, tokenizer, summarizer.context)
    loss = held_out_loss(model, examples, rows["summary"], precision)
    result = judge_model(name, summarizer, list(rows), precision, tokenization)
    peak = peak_memory(model.device)
    return replace(
        result,
        perplexity=loss.perplexity,
        character_perplexity=loss.character_perplexity,
        megabytes=weights_in_megabytes(name, path),
        peak_megabytes=peak / 1e6 if peak else None,
    )


def weights_in_megabytes(name: str, path: str) -> float | None:
    """Size of the weights on disk (10^6 bytes), of an adapter together with its base.

    None if they are in the hub's cache, where the files have other names.
    """
    folders = [local_folder(path)]
    if name == "lora":
        folders.append(local_folder(base_of(Path(path))))
    if None in folders:
        return None
    files = [file for folder in folders if folder for file in folder.glob("*.safetensors")]
    return sum(file.stat().st_size for file in files) / 1e6
