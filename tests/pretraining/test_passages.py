"""Passages and their retellings: nothing is invented."""

import re
from random import Random

from pretraining.text.corpus import Corpus
from pretraining.text.passages import Passages
from pretraining.text.sentences import Unsayable


def documents(corpus: Corpus, count: int) -> list[tuple[str, str]]:
    """(told, retold) of documents in the frame "told, arrow, retold", without exchanged words."""
    passages = Passages(corpus.passages.sources, corpus.passages.sentences, [])
    passages.frames = ["{a}\n→ {r}"]
    found: list[tuple[str, str]] = []
    rng = Random(3)
    while len(found) < count:
        try:
            text = passages.document(rng, corpus.source(rng))
        except Unsayable:
            continue
        told, retold = text.split("\n→ ", 1)
        found.append((told, retold))
    return found


def test_every_number_of_a_retelling_is_in_its_passage(corpus: Corpus) -> None:
    passages = corpus.passages
    rng, seen = Random(1), 0
    passages.frames, frames = ["{a}\n→ {r}"], passages.frames
    try:
        while seen < 300:
            try:
                told, retold = passages.document(rng, corpus.source(rng)).split("\n→ ", 1)
            except Unsayable:
                continue
            seen += 1
            assert set(re.findall(r"\d+", retold)) <= set(re.findall(r"\d+", told))
    finally:
        passages.frames = frames


def test_a_retelling_takes_its_words_from_the_passage(corpus: Corpus) -> None:
    for told, retold in documents(corpus, 300):
        for word in re.findall(r"[가-힣]{2,}", re.sub(r"\[빈칸\]|정답|답:", "", retold)):
            assert word[:1] in told, (word, told)


def test_retellings_are_in_plain_style(corpus: Corpus) -> None:
    summaries = [r for _, r in documents(corpus, 300) if r.endswith("다.") and "\n" not in r]
    assert len(summaries) > 100
    assert not any(re.search(r"(?:습니다|어요|네요|거든요)\.", summary) for summary in summaries)


def test_documents_are_a_function_of_the_seed(corpus: Corpus) -> None:
    assert documents(corpus, 20) == documents(corpus, 20)
