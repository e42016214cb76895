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
    words = found = 0
    for told, retold in documents(corpus, 300):
        for word in re.findall(r"[가-힣]{3,}", re.sub(r"\[빈칸\]|정답|답:", "", retold)):
            words += 1
            found += word[0] in told
    # What is left are irregular stems: 돕습니다 becomes 도왔다.
    assert words > 2000 and found > 0.98 * words


def test_retellings_are_in_plain_style(corpus: Corpus) -> None:
    pairs = [(t, r) for t, r in documents(corpus, 300) if r.endswith("다.") and "\n" not in r]
    summaries = [r for t, r in pairs if r not in t]  # some documents are exact copies
    assert len(summaries) > 100
    assert not any(re.search(r"(?:습니다|어요|네요|거든요)\.", summary) for summary in summaries)


def test_documents_are_a_function_of_the_seed(corpus: Corpus) -> None:
    assert documents(corpus, 20) == documents(corpus, 20)
