"""The corpus as `python -m pretraining.prepare` leaves it, in memory."""

import gzip
import json
import re
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from pretraining.text.lexicon import pick, read_json
from pretraining.text.passages import Passages
from pretraining.text.sentences import Sentences

TEMPLATES, TABLE = "templates", "conjugations.json.gz"
TEXTS, SLOTTED = "texts.json.gz", "handwritten.json.gz"
# How often a passage comes from a source: more often than its size where people speak.
WEIGHTS = {
    "interview_answers": 8,
    "pyconkr_talk_transcripts": 9, "assembly_committee_speech_2024": 6, "nsmc_reviews": 5,
    "president_speeches_1988_2022": 14, "book_reviews": 4, "civic_tech_blogs": 3,
    "tech_interview_notes": 3, "tatoeba_ko": 3, "fairytales_ko": 1.5, "ud_korean_sentences": 2,
    "bareun_ambiguity_sentences": 6, "wikinews_ko": 2, "ntrex_news_ko": 1, "unesco_reports_ko": 2,
    "global_asp_stories_ko": 0.3, "ud_ksl_learner_essays": 0.5, "wiki_ko_prose": 36,
}  # fmt: skip
# What may stand between the two halves of a pair.
_GLUE = {
    "phrase": ["\n→ ", "\n요지: ", " => ", "\n핵심 "],
    "title": ["\n제목: ", "\n→ ", "\n\n"],
    "answer": ["\n", "\n- ", "\n대답 "],
    "paraphrase": ["\n같은 말: ", "\n= ", "\n"],
}
_SENTENCE = re.compile(r"(?<=[.!?~])\s+")


@dataclass(eq=False)  # compared and hashed by identity: it is large
class Corpus:
    """Real text: passages to retell, pairs by kind, lines, reviews, chats, and their nouns.

    `slotted` are the hand-written passages as (question, text, retelling, slots).
    """

    passages: Passages
    slotted: list[tuple[str, str, str, list[str]]]
    pairs: dict[str, list[list[str]]]
    lines: list[str]
    reviews: list[str]
    chats: list[list[str]]
    nouns: list[str]

    @classmethod
    def read(cls, folder: Path) -> "Corpus":
        """Raises FileNotFoundError where `folder` is not what `pretraining.prepare` writes."""
        texts = _read_json(folder / TEXTS)
        sources = {
            path.name.removesuffix(".txt.gz"): _read_text(path).splitlines()
            for path in sorted((folder / TEMPLATES).glob("*.txt.gz"))
        }
        passages = Passages(sources, Sentences(_read_json(folder / TABLE)), texts["nouns"])
        return cls(passages, _read_json(folder / SLOTTED), **texts)

    def source(self, rng: Random) -> str:
        """The name of a source of passages, drawn by weight."""
        known = list(self.passages.sources)
        return rng.choices(known, [WEIGHTS.get(name, 1) for name in known])[0]

    def sentence(self, rng: Random) -> str:
        """One real sentence of 12 to 90 characters."""
        while True:
            parts = _SENTENCE.split(pick(rng, self.reviews))
            found = parts[int(rng.random() * len(parts))]
            if 12 <= len(found) <= 90:
                return found


def retold_passage(rng: Random, corpus: Corpus) -> str:
    """A passage and its retelling.

    Raises:
        Unsayable: this one cannot be retold.
    """
    return corpus.passages.document(rng, corpus.source(rng))


def plain_text(rng: Random, corpus: Corpus) -> str:
    """Real text as it was: a stretch of a source, lines, reviews or chats."""
    draw = rng.random()
    if draw < 0.72:
        return corpus.passages.text(rng, corpus.source(rng))
    if draw < 0.86:
        i = int(rng.random() * len(corpus.lines))
        text = corpus.lines[i]
        while len(text) < 500 and i + 1 < len(corpus.lines):
            i += 1
            text += "\n" + corpus.lines[i]
        return text
    if draw < 0.94:
        mark = pick(rng, ["", "- ", "* ", "· ", "> "])
        reviews = [pick(rng, corpus.reviews) for _ in range(2 + int(rng.random() * 7))]
        return "\n".join(mark + review for review in reviews)
    frame = pick(rng, read_json("forms.json")["chat_frames"])
    chats = [rng.choice(corpus.chats) for _ in range(1 + int(rng.random() * 8))]
    return "\n".join(frame.replace("{q}", q).replace("{a}", a) for q, a in chats)


def pairs(rng: Random, corpus: Corpus) -> str:
    """One to four pairs of a kind: utterance and phrase, lead and title, question and answer."""
    name = rng.choice(list(corpus.pairs))
    glue = _GLUE[name.split(" ")[0]]
    chosen = [rng.choice(corpus.pairs[name]) for _ in range(1 + int(rng.random() * 4))]
    return "\n".join(first + pick(rng, glue) + second for first, second in chosen)


def _read_json(path: Path) -> Any:
    return json.loads(_read_text(path))


def _read_text(path: Path) -> str:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return file.read()
