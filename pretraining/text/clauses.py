"""The facts of one invented text: clauses in dictionary form, chosen by a theme."""

import random
from dataclasses import dataclass

from pretraining.text.lexicon import Theme
from pretraining.text.world import World, result


@dataclass(frozen=True)
class Clause:
    """One fact: a clause in dictionary form, its role in the text, and how it is said."""

    role: str
    text: str
    tense: str  # "past", "present" or "opinion"
    kept: bool  # whether a summary tells it


def facts(theme: Theme, world: World, more_details: int = 0) -> list[Clause]:
    """The clauses of one answer, in the order of the theme's shape; no line is used twice."""
    rng = world.rng
    used: set[str] = set()
    found: list[Clause] = []
    for letter in _extended(theme.shape, rng):
        role = letter.upper()
        if role == "R" and (not theme.closed or role not in theme.lines):
            text, tense = result(world), "past"
        else:
            fresh = [line for line in theme.lines.get(role, []) if line[0] not in used]
            if not fresh:
                continue
            text, tense = fresh[int(rng.random() * len(fresh))]
            used.add(text)
            text = result(world) if "{metric_result}" in text else world.fill(text)
        found.append(Clause(role, text, tense, letter.isupper()))
    return _with_details(found, theme, world, more_details)


# How often a kept fact is followed by another of its role that a summary leaves out.
_EXTRA = {"P": 0.4, "A": 0.5, "E": 0.6, "W": 0.5, "L": 0.3, "F": 0.4}


def _extended(shape: str, rng: random.Random) -> str:
    out = ""
    for letter, following in zip(shape, shape[1:] + ".", strict=True):
        out += letter
        # Only the last of a run: what is kept comes first, so that it can be told apart.
        if following.upper() != letter and rng.random() < _EXTRA.get(letter, 0.0):
            out += letter.lower()
    return out


def _with_details(found: list[Clause], theme: Theme, world: World, more: int) -> list[Clause]:
    """Side remarks with names and numbers of their own, which a summary must pass over."""
    rng = world.rng
    story = any(fact.role == "P" for fact in found)
    pool = theme.lines["D" if story else "B"]
    # Much small talk fits a story; around an opinion it would only be noise.
    for text, tense in rng.sample(pool, pick_count(rng) + (more if story else 0)):
        place = 1 + int(rng.random() * (len(found) - 1))
        # A setting runs on into the next sentence; a detail in between would break it.
        if found[place - 1].role != "S" and found[place - 1].role != "D":
            found.insert(place, Clause("D", world.fill(text), tense, False))
    return found


def pick_count(rng: random.Random) -> int:
    draw = rng.random()
    return 0 if draw < 0.1 else 1 if draw < 0.3 else 2 if draw < 0.6 else 3 if draw < 0.85 else 7
