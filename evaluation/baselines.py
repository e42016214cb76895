"""Summaries that need no model: the reference itself, and what a model has to beat."""

import re
from collections.abc import Callable

from rouge_score.rouge_scorer import RougeScorer

from evaluation.metrics import KoreanTokenizer

Row = dict[str, str]


def sentences(text: str) -> list[str]:
    """Split `text` after each full stop, question mark or exclamation mark."""
    return re.split(r"(?<=[.?!])\s", text)


def first_sentence(row: Row) -> str:
    """Return the first sentence of the answer, the simplest summary there is."""
    return sentences(row["answer"])[0]


def oracle_sentence(row: Row) -> str:
    """Return the sentence of the answer that is nearest to the reference.

    It is chosen by looking at the reference, so no method that copies one sentence scores higher.
    """
    scorer = RougeScorer(["rougeL"], tokenizer=KoreanTokenizer())
    return max(
        sentences(row["answer"]),
        key=lambda text: float(scorer.score(row["summary"], text)["rougeL"].fmeasure),
    )


BASELINES: dict[str, Callable[[Row], str]] = {
    "reference": lambda row: row["summary"],
    "first": first_sentence,
    "oracle": oracle_sentence,
}
