"""The interviews made by rules: reproducible, varied, with honest summaries."""

import itertools
import re

import pytest

from pretraining.rows import interview_rows
from pretraining.text.lexicon import themes

Row = dict[str, str]


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return interview_rows(1500, 0)


def test_rows_are_reproducible(rows: list[Row]) -> None:
    assert interview_rows(1500, 0) == rows
    assert interview_rows(50, 1) != interview_rows(50, 2)


def test_count_and_variety(rows: list[Row]) -> None:
    assert len(rows) == len({row["summary"] for row in rows}) == 1500
    assert len(themes()) >= 60
    lengths = sorted(len(row["answer"].split()) for row in rows)
    assert 45 <= lengths[len(lengths) // 2] <= 75


def test_no_artefacts(rows: list[Row]) -> None:
    broken = re.compile(r"[{}\[\]]|None|  |을를|를을|은는|는은|이가 가|(?<=\s)[을를는](?=\s)|,,")
    for row in rows:
        for key in ("question", "answer", "summary"):
            assert not broken.search(row[key]), row[key]
            assert row[key] == row[key].strip()
        assert row["summary"].endswith(".")


def test_near_duplicates_are_rare(rows: list[Row]) -> None:
    texts = [row["question"] + row["answer"] for row in rows[:800]]
    grams = [{text[i : i + 3] for i in range(len(text) - 2)} for text in texts]
    near = 0
    for first, second in itertools.combinations(grams, 2):
        small, large = sorted((len(first), len(second)))
        # Jaccard cannot exceed the ratio of the sizes: most pairs need no intersection.
        if small > 0.8 * large and len(first & second) > 0.8 * len(first | second):
            near += 1
    assert near < 0.01 * len(texts)


def test_a_summary_says_one_fact_a_sentence_and_invents_nothing(rows: list[Row]) -> None:
    for row in rows:
        sentences = re.split(r"(?<=\.)\s+", row["summary"])
        assert 1 <= len(sentences) <= 5, row["summary"]
        assert not any(sentence in row["answer"] for sentence in sentences), row["summary"]
        known = set(re.findall(r"\d[\d,]*", row["question"] + " " + row["answer"]))
        assert set(re.findall(r"\d[\d,]*", row["summary"])) <= known, row
