"""The words of one document: slots filled from the lexicon, or with words made up on the spot."""

import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from pretraining.text.lexicon import Job, pick, words
from pretraining.text.particles import resolve

_DOUBLED = re.compile(r"(?<!\S)(\S{2,}) \1(?=[\s을를이가은는에[]|$)")
_SLOT = re.compile(r"\{(\w+?)(\d?)\}")


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
        if "{" in template:
            # A task may end in the very word the template goes on with: "발주 업무 업무".
            template = _DOUBLED.sub(r"\1", _SLOT.sub(self._slot, template))
        return resolve(template)

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
        if name in ("noun_task", "thing", "everyday"):
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
    "title": lambda rng: pick(rng, words("head_noun")) + " " + pick(rng, words("agent")),
    "metric": lambda rng: _open_metric(rng),
}


def _open_metric(rng: random.Random) -> str:
    metric = pick(rng, words("open_metric"))
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
    grows = "오르다" if unit in ("점", "퍼센트") else "늘다"
    return resolve(f"{name}[이] {amount}{unit} {grows if rises else '줄다'}")
