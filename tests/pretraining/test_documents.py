"""The pretraining text: reproducible, of every kind, clean."""

import itertools
import unicodedata
from collections import Counter

from pretraining.documents import (
    ANNEALING,
    FORBIDDEN,
    LONGEST,
    MAKERS,
    SHARES,
    labelled_documents,
)
from pretraining.text.corpus import Corpus
from tests.pretraining.conftest import (
    HELD_OUT,
    HELD_OUT_DEV,
    PRETRAINING_SEED,
    Row,
    read,
)


def test_pretraining_is_deterministic(documents: list[tuple[str, str]]) -> None:
    again = itertools.islice(labelled_documents(PRETRAINING_SEED), 500)
    assert list(again) == documents[:500]


def test_pretraining_never_shows_the_prompt_or_a_row(
    documents: list[tuple[str, str]], rows: list[Row]
) -> None:
    stream = "\n".join(text for _, text in documents)
    assert not any(mark in stream for mark in FORBIDDEN)
    for row in rows:
        assert row["answer"] not in stream
        assert len(row["summary"]) < 30 or row["summary"] not in stream


def test_the_rows_kept_for_evaluation_are_in_neither(
    rows: list[Row], documents: list[tuple[str, str]]
) -> None:
    known = "\n".join([*(text for _, text in documents), *(" ".join(row.values()) for row in rows)])
    for path, count in ((HELD_OUT, 40), (HELD_OUT_DEV, 36)):
        held_out = read(path)
        assert len(held_out) == count
        for row in held_out:
            assert row["answer"] not in known and row["summary"] not in known


def test_a_corpus_adds_real_text(corpus: Corpus) -> None:
    found = list(itertools.islice(labelled_documents(0, corpus), 600))
    assert {kind for kind, _ in found} == set(SHARES)
    assert all(unicodedata.is_normalized("NFC", text) for _, text in found)
    assert not any(mark in text for _, text in found for mark in FORBIDDEN)


def test_every_kind_occurs(documents: list[tuple[str, str]]) -> None:
    kinds = Counter(kind for kind, _ in documents)
    assert set(kinds) == set(MAKERS)
    assert min(kinds.values()) > 100
    assert all(40 <= len(text) <= LONGEST for _, text in documents)


def test_drills_may_come_first() -> None:
    kinds = [kind for kind, _ in itertools.islice(labelled_documents(0, None, 400), 800)]
    # Without a corpus most documents are drills in any case.
    assert kinds[:400].count("drill") > 310 and kinds[400:].count("drill") < 300


def test_the_second_stage_reads_mostly_hand_written_pairs() -> None:
    stream = itertools.islice(labelled_documents(0, None, shares=ANNEALING), 400)
    kinds = Counter(kind for kind, _ in stream)
    assert set(kinds) <= set(ANNEALING)
    assert kinds["natural"] > 250
