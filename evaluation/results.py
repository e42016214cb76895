"""What a comparison found: its lines, as a record and as a table."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from common.files import write_file
from infer.find import NAMES

LABELS = {"first": "답변의 첫 문장"} | NAMES

HEADER = [
    "", "ROUGE-1", "ROUGE-2", "ROUGE-L (95%)", "BLEU", "chrF", "충실도", "PPL/토큰", "PPL/글자",
    "토큰/초", "파일 MB", "메모리 MB",
]  # fmt: skip


@dataclass(frozen=True)
class Result:
    """One line of a comparison; None is what a baseline without a model has not."""

    name: str
    scores: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    signatures: dict[str, str]
    faithfulness: float
    summaries: list[str]
    perplexity: float | None = None
    character_perplexity: float | None = None
    tokens_per_second: float | None = None
    megabytes: float | None = None  # weights on disk
    peak_megabytes: float | None = None  # of the whole process


def cells(result: Result) -> list[str]:
    """A line of the table as text, in the order of `HEADER`."""
    low, high = result.intervals["rougeL"]
    scores = result.scores
    given = (
        (result.perplexity, ".2f"),
        (result.character_perplexity, ".2f"),
        (result.tokens_per_second, ",.0f"),
        (result.megabytes, ".1f"),
        (result.peak_megabytes, ",.0f"),
    )
    return [
        LABELS[result.name],
        f"{scores['rouge1']:.1f}",
        f"{scores['rouge2']:.1f}",
        f"{scores['rougeL']:.1f} ({low:.0f}–{high:.0f})",
        f"{scores['bleu']:.1f}",
        f"{scores['chrf']:.1f}",
        f"{result.faithfulness:.1f}",
        *("" if value is None else f"{value:{form}}" for value, form in given),
    ]


def write_comparison(
    folder: Path, rows: Sequence[dict[str, str]], results: Sequence[Result], tokenization: str
) -> None:
    """Write `comparison.json`: the rows, and all that is known of each model's summaries."""
    record = {
        "tokenization": tokenization,
        "rows": [dict(row) for row in rows],
        "results": [asdict(result) for result in results],
    }
    text = json.dumps(record, indent=2, ensure_ascii=False)
    write_file(folder / "comparison.json", text + "\n")
