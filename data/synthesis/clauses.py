"""Word lists, slots and themes: what an invented text talks about.

A template such as `{tool}[을] 써서 오류 {n}건을 찾다` is filled from a `World`: the words one
document uses. Slots that name a thing keep it for the whole document; numbers are drawn anew.
"""

import json
import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from data.synthesis.particles import resolve

LEXICON = Path(__file__).parent / "lexicon"
_SLOT = re.compile(r"\{(\w+?)(\d?)\}")


@dataclass(frozen=True)
class Clause:
    """One fact: a clause in dictionary form, its role in the text, and how it is said."""

    role: str
    text: str
    tense: str  # "past", "present" or "opinion"
    kept: bool  # whether a summary tells it


@dataclass(frozen=True)
class Theme:
    """One question intent: its phrasings, the order of its roles, and the clauses of each."""

    name: str
    shape: str
    lines: dict[str, list[tuple[str, str]]]

    def questions(self) -> list[str]:
        return [text for text, _ in self.lines["Q"]]


@dataclass(frozen=True)
class Job:
    """One job family and its words: title, place, task, tool, metric."""

    name: str
    words: dict[str, list[str]]


@lru_cache(maxsize=None)
def themes(file: str = "themes.txt") -> list[Theme]:
    """All themes of a lexicon file; `_common` clauses are shared out to every theme."""
    found: list[Theme] = []
    for line in (LEXICON / file).read_text("utf-8").splitlines():
        if line.startswith("@"):
            name, _, shape = line[1:].partition(" ")
            found.append(Theme(name, shape, {}))
        elif line and not line.startswith("#"):
            tag, text = line.split(" ", 1)
            tense = "past" if tag.endswith("+") or tag[0] in "SPAREDB" else "present"
            tense = "opinion" if tag.endswith("?") else tense
            found[-1].lines.setdefault(tag[0], []).append((text, tense))
    common = [theme for theme in found if theme.name == "_common"]
    rest = [theme for theme in found if theme.name != "_common"]
    for shared in common:
        for theme in rest:
            for role, lines in shared.lines.items():
                if role in theme.shape.upper() or role in "DB":
                    theme.lines[role] = theme.lines.get(role, []) + lines
    return rest


@lru_cache(maxsize=None)
def jobs() -> list[Job]:
    found: list[Job] = []
    for line in (LEXICON / "jobs.txt").read_text("utf-8").splitlines():
        if line.startswith("@"):
            found.append(Job(line[1:], {}))
        elif line and not line.startswith("#"):
            key, values = line.split(" ", 1)
            found[-1].words[key] = values.split("|")
    return found


@lru_cache(maxsize=None)
def words(name: str) -> list[str]:
    """A word list by name, from words.json (separated by spaces) or phrases.txt (by bars)."""
    table: dict[str, list[str]] = {
        key: value.split() for key, value in json.loads((LEXICON / "words.json").read_text("utf-8")).items()
    }
    for line in (LEXICON / "phrases.txt").read_text("utf-8").splitlines():
        key, values = line.split(" ", 1)
        table[key] = values.split("|")
    return table[name]


@lru_cache(maxsize=None)
def voice(name: str) -> dict[str, list[str]]:
    """Frames, leads and chatter, from voice.json; an entry "text*3" counts three times."""
    table: dict[str, list[str]] = json.loads((LEXICON / "voice.json").read_text("utf-8"))[name]
    weighted: dict[str, list[str]] = {}
    for key, entries in table.items():
        weighted[key] = []
        for entry in entries:
            text, star, times = entry.rpartition("*")
            weighted[key] += [text] * int(times) if star else [entry]
    return weighted


def pick(rng: random.Random, options: list[str]) -> str:
    # random.choice costs three times as much, and this is the innermost call of the generator.
    return options[int(rng.random() * len(options))]


def pseudo_word(rng: random.Random) -> str:
    """A made-up name of two to four syllables: 루텍, 카노빅."""
    heads, tails = words("pseudo_a"), words("pseudo_b")
    middle = "".join(pick(rng, heads) for _ in range(int(rng.random() * 2.4)))
    return pick(rng, heads) + middle + pick(rng, tails)


def person_name(rng: random.Random) -> str:
    given = words("given")
    return pick(rng, words("surname")) + pick(rng, given)[:1] + pick(rng, given)[:1]


def company(rng: random.Random) -> str:
    head = pseudo_word(rng) if rng.random() < 0.4 else pick(rng, words("company_head"))
    return head + pick(rng, words("company_tail"))


def compound(rng: random.Random) -> str:
    """A task of two nouns: 배관 점검."""
    return pick(rng, words("head_noun")) + " " + pick(rng, words("tail_noun"))


def _person(rng: random.Random) -> str:
    draw = rng.random()
    if draw < 0.4:
        return pick(rng, words("surname")) + " " + pick(rng, words("title_rank"))
    rank = pick(rng, words("rank"))
    return person_name(rng) + " " + rank if draw < 0.75 else rank


NUMBERS = {
    "n": (11, 99), "n2": (2, 9), "yr": (2, 9), "month": (2, 18), "day": (2, 28), "pct": (5, 60),
    "year": (2015, 2025), "money": (280, 620), "big": (120, 980),
}  # fmt: skip
_SPANS = {"회": (20, 900), "명": (20, 900), "개": (20, 900), "건": (12, 300), "점": (40, 99)}


@dataclass
class World:
    """The words of one document.

    `open_share` of the job's slots take rare or made-up words instead, and `nouns` (words of the
    corpus) half of those: what is drawn anew for each document can only be copied, not recalled.
    """

    rng: random.Random
    job: Job
    open_share: float = 0.0
    nouns: list[str] = field(default_factory=list)
    memo: dict[str, str] = field(default_factory=dict)

    def fill(self, template: str) -> str:
        return resolve(_SLOT.sub(self._slot, template)) if "{" in template else resolve(template)

    def _slot(self, match: re.Match[str]) -> str:
        name, number = match.groups()
        key = name + number
        rng = self.rng
        if key in NUMBERS:
            low, high = NUMBERS[key]
            value = low + int(rng.random() * (high - low + 1))
            return f"{value * 10:,}" if key == "money" else str(value)
        if name == "money":
            return f"{2400 + 10 * int(rng.random() * 300):,}"
        if name == "min":
            return str(5 * (1 + int(rng.random() * 12)))
        if name in ("noun_task", "thing"):
            return self._draw(name)
        if key not in self.memo:
            value_text = self._draw(name)
            while value_text in self.memo.values():
                value_text = self._draw(name)
            self.memo[key] = value_text
        return self.memo[key]

    def _draw(self, name: str) -> str:
        rng = self.rng
        if name in self.job.words:
            if rng.random() >= self.open_share:
                return pick(rng, self.job.words[name])
            return self._open(name)
        if name == "thing" and rng.random() < self.open_share / 2:
            return pick(rng, words("head_noun")) + " " + pick(rng, words("thing"))
        maker = _MAKERS.get(name)
        return maker(rng) if maker else pick(rng, words(name))

    def _open(self, name: str) -> str:
        rng = self.rng
        if self.nouns and name != "metric" and rng.random() < 0.5:
            noun = pick(rng, self.nouns)
            return noun + " " + pick(rng, words("tail_noun")) if name == "task" else noun
        return _OPEN[name](rng)


_MAKERS: dict[str, Callable[[random.Random], str]] = {
    "person": _person,
    "name": person_name,
    "org": company,
    "noun_task": compound,
    "pseudo": pseudo_word,
}
_OPEN: dict[str, Callable[[random.Random], str]] = {
    "task": compound,
    "place": company,
    "tool": pseudo_word,
    "title": lambda rng: pick(rng, words("head_noun")) + " " + pick(rng, ["담당자", "관리자", "기획자"]),
    "metric": lambda rng: _open_metric(rng),
}
_OPEN_METRICS = ["-시간/분", "-오류/건", "+만족도/점", "-비용/%", "-지연/건", "-기간/일", "+참여율/%"]


def _open_metric(rng: random.Random) -> str:
    metric = pick(rng, _OPEN_METRICS)
    return metric[0] + compound(rng) + " " + metric[1:]


def result(world: World) -> str:
    """A measured outcome of the job: `불량률을 12퍼센트 줄이다`, `재고 오차가 31건에서 ...`."""
    rng = world.rng
    metric = world._draw("metric")
    rises, (name, unit) = metric[0] == "+", metric[1:].split("/")
    low, high = _SPANS.get(unit, (3, 60))
    first = low + int(rng.random() * (high - low) * 0.6)
    second = first + 1 + int(rng.random() * (high - first))
    unit = "퍼센트" if unit == "%" else unit
    draw = rng.random()
    if draw < 0.45:
        a, b = (first, second) if rises else (second, first)
        forms = ["끌어올리다", "높이다"] if rises else ["줄이다", "낮추다"]
        return resolve(f"{name}[을] {a}{unit}에서 {b}{unit}[으로] {pick(rng, forms)}")
    amount = second - first
    if draw < 0.75:
        verb = pick(rng, ["높이다", "끌어올리다"]) if rises else pick(rng, ["줄이다", "낮추다"])
        return resolve(f"{name}[을] {amount}{unit} {verb}")
    return resolve(f"{name}[이] {amount}{unit} {pick(rng, ['오르다', '늘다']) if rises else '줄다'}")


def facts(theme: Theme, world: World) -> list[Clause]:
    """The clauses of one answer, in the order of the theme's shape; no line is used twice."""
    rng = world.rng
    used: set[str] = set()
    found: list[Clause] = []
    for letter in theme.shape:
        role = letter.upper()
        if role == "R" and (role not in theme.lines or rng.random() < 0.3):
            text, tense = result(world), "past"
        else:
            text, tense = theme.lines[role][int(rng.random() * len(theme.lines[role]))]
            while text in used:
                text, tense = theme.lines[role][int(rng.random() * len(theme.lines[role]))]
            used.add(text)
            text = result(world) if "{metric_result}" in text else world.fill(text)
        found.append(Clause(role, text, tense, letter.isupper()))
    return _with_details(found, theme, world)


def _with_details(found: list[Clause], theme: Theme, world: World) -> list[Clause]:
    """Side remarks with names and numbers of their own, which a summary must pass over."""
    rng = world.rng
    pool = theme.lines["D" if any(fact.role in "SP" for fact in found) else "B"]
    for _ in range(pick_count(rng)):
        text, tense = pool[int(rng.random() * len(pool))]
        place = 1 + int(rng.random() * (len(found) - 1))
        # A setting runs on into the next sentence; a detail in between would break it.
        if found[place - 1].role != "S" and found[place - 1].role != "D":
            found.insert(place, Clause("D", world.fill(text), tense, False))
    return found


def pick_count(rng: random.Random) -> int:
    draw = rng.random()
    return 0 if draw < 0.2 else 1 if draw < 0.45 else 2 if draw < 0.75 else 3 if draw < 0.92 else 5
