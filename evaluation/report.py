"""One page that shows what a run did: curves, the masked tokens, and the model's summaries.

`report.html` is self-contained: it loads no script, font or picture from anywhere else.
"""

import difflib
import json
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jinja2
from transformers import PreTrainedTokenizerBase

from common.files import read_log, write_file
from data.aihub import DO_NOT_PUBLISH
from data.batches import LENGTH_MULTIPLE
from data.encode import IGNORE, Example
from data.tokens import characters
from evaluation.curves import histogram, png, run_curves, svg
from evaluation.results import LABELS, Result, header_and_rows

TEMPLATE = Path(__file__).with_name("report.html")
PACKAGES = ("torch", "transformers", "bitsandbytes", "datasets", "sacrebleu", "rouge_score")
SHOWN_ROWS = 10


@dataclass(frozen=True)
class Piece:
    """One or more tokens that make up whole characters, and what they are to the loss."""

    text: str
    tokens: int
    kind: str  # "prompt", "response" or "padding"


def example_pieces(example: Example, tokenizer: PreTrainedTokenizerBase) -> list[Piece]:
    """The example as training sees it, padded as a micro-batch of its own, piece by piece."""
    ids = list(example.input_ids)
    prompt_length = example.labels.count(IGNORE)
    prompt = str(tokenizer.decode(ids[:prompt_length], skip_special_tokens=True))
    summary = str(tokenizer.decode(ids[prompt_length:-1], skip_special_tokens=True))
    padding = -len(ids) % LENGTH_MULTIPLE
    return [
        *(Piece(text, tokens, "prompt") for text, tokens in characters(tokenizer, prompt)),
        *(Piece(text, tokens, "response") for text, tokens in characters(tokenizer, summary)),
        Piece(str(tokenizer.eos_token), 1, "response"),
        *[Piece(str(tokenizer.pad_token), 1, "padding")] * padding,
    ]


def matched_words(text: str, reference: str) -> list[tuple[str, bool]]:
    """The words of `text`, and whether each also occurs in the `reference`, in the same order."""
    words = text.split()
    matched: set[int] = set()
    matcher = difflib.SequenceMatcher(None, words, reference.split(), autojunk=False)
    for start, _, size in matcher.get_matching_blocks():
        matched.update(range(start, start + size))
    return [(word, i in matched) for i, word in enumerate(words)]


def versions() -> dict[str, str]:
    """The versions of Python and of the packages on which scores depend."""
    return {"python": platform.python_version()} | {name: version(name) for name in PACKAGES}


def write_facts(
    folder: Path,
    settings: dict[str, Any],
    examples: Sequence[Example],
    max_length: int,
    tokenizer: PreTrainedTokenizerBase,
) -> None:
    """Write `report.json`: what the report needs of the data, so that it can be written again."""
    middle = sorted(examples, key=lambda example: len(example.input_ids))[len(examples) // 2]
    facts = {
        "settings": settings,
        "versions": versions(),
        "lengths": [len(example.input_ids) for example in examples],
        "max_length": max_length,
        "pieces": [vars(piece) for piece in example_pieces(middle, tokenizer)],
    }
    text = json.dumps(facts, ensure_ascii=False, default=str)
    write_file(folder / "report.json", text + "\n")


def write_report(folder: Path) -> Path:
    """Write `report.html` and the PNG curves from the files of the run and of `make evaluate`."""
    facts = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    records = read_log(folder / "metrics.jsonl")
    comparison = json.loads((folder / "comparison.json").read_text(encoding="utf-8"))
    results = [Result(**result) for result in comparison["results"]]
    header, lines = header_and_rows(results)
    curves = run_curves(records)
    lengths = histogram(facts["lengths"], facts["max_length"])
    write_file(folder / "curves.png", png(curves))
    write_file(folder / "lengths.png", png(lengths))
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    page = environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        name=folder.name,
        header=header,
        lines=lines,
        tokenization=comparison["tokenization"],
        candidates=comparison["candidates"],
        signatures=[f"{name}: {text}" for name, text in results[0].signatures.items()],
        curves=svg(curves),
        evaluations=[record for record in records if "validation_loss" in record],
        lengths=svg(lengths),
        pieces=facts["pieces"],
        compared=len(comparison["rows"]),
        rows=comparison["rows"][:SHOWN_ROWS],
        results=results,
        labels=LABELS,
        matched_words=matched_words,
        facts=facts["settings"] | facts["versions"],
        do_not_publish=DO_NOT_PUBLISH,
    )
    path = folder / "report.html"
    write_file(path, page)
    return path
