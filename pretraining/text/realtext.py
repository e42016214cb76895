"""Real Korean text from the user's corpus folder: reviews and everyday questions and replies."""

import csv
import gzip
import random
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from pretraining.text.lexicon import pick, read_json, words

REVIEWS, CHATS = "nsmc_reviews.txt.gz", "chatbot_qa.csv"
_NOUN_LINES = 60_000
_WORD = re.compile(r"[가-힣]{2,5}(?=(?:을|를|은|는|이|가|의|에서|으로|와|과|도)(?:\s|$))")
_SENTENCE = re.compile(r"(?<=[.!?~])\s+")


@dataclass
class Corpus:
    """Real text in memory: review lines, (question, reply) pairs, and nouns found in them."""

    reviews: list[str]
    chats: list[tuple[str, str]]
    nouns: list[str]

    @classmethod
    def read(cls, folder: Path) -> "Corpus":
        """Raises FileNotFoundError where the folder lacks one of the two files."""
        with gzip.open(folder / REVIEWS, "rt", encoding="utf-8") as file:
            reviews = [text for text in map(_clean, file) if _usable(text)]
        with open(folder / CHATS, encoding="utf-8", newline="") as file:
            chats = [(_clean(row["Q"]), _clean(row["A"])) for row in csv.DictReader(file)]
        return cls(reviews, chats, _nouns(reviews[:_NOUN_LINES]))

    def sentence(self, rng: random.Random) -> str:
        """One real sentence of 12 to 90 characters."""
        while True:
            parts = _SENTENCE.split(pick(rng, self.reviews))
            found = parts[int(rng.random() * len(parts))]
            if 12 <= len(found) <= 90:
                return found


def document(rng: random.Random, corpus: Corpus | None) -> str:
    """A document of real text alone.

    Raises:
        ValueError: there is no corpus.
    """
    if corpus is None:
        raise ValueError("no corpus")
    draw = rng.random()
    if draw < 0.35:
        return pick(rng, corpus.reviews) + "\n" + pick(rng, corpus.reviews)
    if draw < 0.75:
        mark = pick(rng, ["", "- ", "* ", "· ", "> "])
        reviews = [pick(rng, corpus.reviews) for _ in range(2 + int(rng.random() * 7))]
        return "\n".join(mark + review for review in reviews)
    count = 1 + int(rng.random() * 8)
    pairs = [corpus.chats[int(rng.random() * len(corpus.chats))] for _ in range(count)]
    frame = pick(rng, read_json("forms.json")["chat_frames"])
    return "\n".join(frame.replace("{q}", q).replace("{a}", a) for q, a in pairs)


def _usable(text: str) -> bool:
    # The site cuts a review at 140 characters: one that long without a final mark breaks off.
    cut = len(text) >= 136 and text[-1] not in ".!?~다요음임함"
    return not cut and not any(word in text for word in words("blocked"))


def _clean(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())


def _nouns(lines: list[str]) -> list[str]:
    """Words seen before two or more particles, most of them nouns, in alphabetical order."""
    seen: dict[str, set[str]] = {}
    count: Counter[str] = Counter()
    for line in lines:
        for match in _WORD.finditer(line):
            word = match.group()
            count[word] += 1
            seen.setdefault(word, set()).add(line[match.end() : match.end() + 1])
    return sorted(word for word, after in seen.items() if len(after) > 3 and count[word] > 5)
