"""The sample data: rows written one by one, summaries in the answer's own words."""

import re
import unicodedata
from collections import defaultdict

import pytest

from data.interviews import COLUMNS, SAMPLE_CSV, read_interviews
from data.text import clean_text
from evaluation.checks import faithfulness

Row = dict[str, str]


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return list(read_interviews(SAMPLE_CSV).rows)


def sentences(text: str) -> list[str]:
    return re.split(r"(?<=[.?!])\s+", text)


def test_the_file_is_clean(rows: list[Row]) -> None:
    assert len(rows) == 4100
    for row in rows:
        for column in COLUMNS:
            text = row[column]
            assert text == clean_text(text) == unicodedata.normalize("NFC", text)
            assert "\n" not in text and "\ufffd" not in text


def test_summaries_are_in_plain_style(rows: list[Row]) -> None:
    for row in rows:
        unquoted = re.sub(r"'[^']*'", "", row["summary"])
        assert unquoted.endswith("다."), row["summary"]
        assert not re.search(r"습니다[.]|[가-힣]요[.]|(?:^| )(?:저는|제가|저희) ", unquoted), (
            unquoted
        )
        assert len(sentences(row["summary"])) <= 6 and len(row["summary"]) <= 170


def test_summaries_say_nothing_of_their_own(rows: list[Row]) -> None:
    numbers = re.compile(r"\d+")
    for row in rows:
        source = f"{row['question']} {row['answer']}"
        assert set(numbers.findall(row["summary"])) <= set(numbers.findall(source)), row["summary"]
    some = rows[:300]
    sources = [f"{row['question']} {row['answer']}" for row in some]
    assert faithfulness([row["summary"] for row in some], sources) > 97


def test_no_answer_is_told_twice(rows: list[Row]) -> None:
    first: dict[str, int] = {}
    shared: defaultdict[int, int] = defaultdict(int)
    for i, row in enumerate(rows):
        for sentence in sentences(row["answer"]):
            if len(sentence) > 20 and first.setdefault(sentence, i) != i:
                shared[i] += 1
    assert not shared
