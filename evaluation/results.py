"""The result of an evaluation: one line a model, as a table and as a record."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from common.console import table
from common.files import write_file
from evaluation.checks import count_faults
from infer.find import KINDS

Cells = tuple[str, ...]

LABELS = {
    "reference": "정답 자신",
    "first": "답변의 첫 문장",
    "oracle": "가장 나은 문장 (정답을 봄)",
} | KINDS

HEADER = [
    "", "ROUGE-1", "ROUGE-2", "ROUGE-L (95%)", "BLEU", "chrF", "충실도", "흠", "PPL/토큰",
    "PPL/글자", "토큰/초", "파일 MB", "메모리 MB",
]  # fmt: skip


@dataclass(frozen=True)
class Result:
    """The scores of one model's summaries; the fields that need a model are None for a baseline."""

    name: str
    scores: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    signatures: dict[str, str]
    faithfulness: float
    summaries: list[str]
    perplexity: float | None = None
    character_perplexity: float | None = None
    tokens_per_second: float | None = None
    megabytes: float | None = None  # of the weights on disk
    peak_megabytes: float | None = None  # of the whole process


def cells(result: Result) -> list[str]:
    """Format a result as one line of the table, in the order of `HEADER`."""
    low, high = result.intervals["rougeL"]
    scores = result.scores
    faults = [f"{name} {count}" for name, count in count_faults(result.summaries).items() if count]
    optional = (
        (result.perplexity, ".2f"),
        (result.character_perplexity, ".2f"),
        (result.tokens_per_second, ",.0f"),
        (result.megabytes, ".1f"),
        (result.peak_megabytes, ",.0f"),
    )
    return [
        LABELS.get(result.name, result.name),
        f"{scores['rouge1']:.1f}",
        f"{scores['rouge2']:.1f}",
        f"{scores['rougeL']:.1f} ({low:.0f}–{high:.0f})",
        f"{scores['bleu']:.1f}",
        f"{scores['chrf']:.1f}",
        f"{result.faithfulness:.1f}",
        ", ".join(faults) or "0",
        *("" if value is None else f"{value:{spec}}" for value, spec in optional),
    ]


def header_and_rows(results: Sequence[Result]) -> tuple[Cells, list[Cells]]:
    """Return the header and the lines of the table, without the columns that no result fills."""
    lines = [HEADER, *(cells(result) for result in results)]
    filled = [column for column in zip(*lines, strict=True) if any(column[1:])]
    header, *rows = zip(*filled, strict=True)
    return header, rows


def results_table(results: Sequence[Result]) -> str:
    """Return the results as a Markdown table."""
    return table(*header_and_rows(results))


def write_comparison(
    folder: Path,
    rows: Sequence[dict[str, str]],
    results: Sequence[Result],
    tokenization: str,
    candidates: int = 1,
) -> None:
    """Write `comparison.json`: the rows, and each model's summaries of them with their scores."""
    record = {
        "tokenization": tokenization,
        "candidates": candidates,
        "rows": [dict(row) for row in rows],
        "results": [asdict(result) for result in results],
    }
    text = json.dumps(record, indent=2, ensure_ascii=False)
    write_file(folder / "comparison.json", text + "\n")
