"""The pretraining text: reproducible, of every kind, clean."""

import gzip
import itertools
import unicodedata
from collections import Counter
from pathlib import Path

from pretraining.documents import FORBIDDEN, MAKERS, labelled_documents, pretraining_documents
from tests.pretraining.conftest import (
    HELD_OUT,
    HELD_OUT_DEV,
    PRETRAINING_SEED,
    Row,
    read,
)


def test_pretraining_is_deterministic(documents: list[tuple[str, str]]) -> None:
    again = itertools.islice(pretraining_documents(PRETRAINING_SEED), 500)
    assert list(again) == [text for _, text in documents[:500]]


def test_pretraining_never_shows_the_prompt_or_a_row(
    documents: list[tuple[str, str]], rows: list[Row]
) -> None:
    stream = "\n".join(text for _, text in documents)
    assert not any(mark in stream for mark in FORBIDDEN)
    for row in rows:
        assert row["answer"] not in stream
        assert row["summary"] not in stream


def test_the_rows_kept_for_evaluation_are_in_neither(
    rows: list[Row], documents: list[tuple[str, str]]
) -> None:
    known = "\n".join([*(text for _, text in documents), *(" ".join(row.values()) for row in rows)])
    for path, count in ((HELD_OUT, 40), (HELD_OUT_DEV, 36)):
        held_out = read(path)
        assert len(held_out) == count
        for row in held_out:
            assert row["answer"] not in known and row["summary"] not in known


def test_a_corpus_adds_real_text(tmp_path: Path) -> None:
    reviews = [
        f"{i}번째로 본 영화인데 배우의 연기가 정말 좋았습니다. 또 보고 싶어요." for i in range(50)
    ]
    with gzip.open(tmp_path / "nsmc_reviews.txt.gz", "wt", encoding="utf-8") as file:
        file.write("\n".join(reviews))
    (tmp_path / "chatbot_qa.csv").write_text("Q,A,label\n배고파,같이 먹어요.,0\n", encoding="utf-8")
    found = list(itertools.islice(labelled_documents(0, tmp_path), 400))
    assert {kind for kind, _ in found} == set(MAKERS)
    assert all(unicodedata.is_normalized("NFC", text) for _, text in found)


def test_every_kind_occurs(documents: list[tuple[str, str]]) -> None:
    kinds = Counter(kind for kind, _ in documents)
    assert set(kinds) == set(MAKERS) - {"real"}
    assert min(kinds.values()) > 300
    assert all(40 <= len(text) <= 1500 for _, text in documents)


def test_drills_may_come_first() -> None:
    kinds = [kind for kind, _ in itertools.islice(labelled_documents(0, None, 400), 800)]
    assert kinds[:400].count("drill") > 200 and kinds[400:].count("drill") < 150
