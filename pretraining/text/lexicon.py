"""The word lists and themes of `lexicon/`, read once."""

import json
import random
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

LEXICON = Path(__file__).parent / "lexicon"


@dataclass(frozen=True)
class Theme:
    """One question intent: its phrasings, the order of its roles, and the clauses of each."""

    name: str
    shape: str
    lines: dict[str, list[tuple[str, str]]]  # role: (clause, tense)
    closed: bool  # takes no common actions and no measured results

    def questions(self) -> list[str]:
        return [text for text, _ in self.lines["Q"]]


@dataclass(frozen=True)
class Job:
    """One job family and its words: title, place, task, tool, metric."""

    name: str
    words: dict[str, list[str]]


@cache
def read_json(file: str) -> dict[str, Any]:
    table: dict[str, Any] = json.loads((LEXICON / file).read_text("utf-8"))
    return table


@cache
def themes(file: str = "themes.txt") -> list[Theme]:
    """All themes of a lexicon file; `_common` clauses are shared out to every theme."""
    found: list[Theme] = []
    for line in (LEXICON / file).read_text("utf-8").splitlines():
        if line.startswith("@"):
            name, _, shape = line[1:].partition(" ")
            found.append(Theme(name, shape.rstrip("!"), {}, shape.endswith("!")))
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
                own = theme.lines.get(role, [])
                # A theme with settings of its own, or marked "!", goes without the common ones.
                if (role == "S" and own) or (role == "A" and theme.closed):
                    continue
                if role in theme.shape.upper() or role in "DB":
                    # Its own clauses fit best: they come up three times as often.
                    theme.lines[role] = own * 3 + lines
    return rest


@cache
def jobs() -> list[Job]:
    found: list[Job] = []
    for line in (LEXICON / "jobs.txt").read_text("utf-8").splitlines():
        if line.startswith("@"):
            found.append(Job(line[1:], {}))
        elif line and not line.startswith("#"):
            key, values = line.split(" ", 1)
            found[-1].words[key] = values.split("|")
    return found


@cache
def words(name: str) -> list[str]:
    """A word list by name, from words.json (separated by spaces) or phrases.txt (by bars)."""
    table: dict[str, list[str]] = {
        key: value.split()
        for key, value in json.loads((LEXICON / "words.json").read_text("utf-8")).items()
    }
    for line in (LEXICON / "phrases.txt").read_text("utf-8").splitlines():
        key, values = line.split(" ", 1)
        table[key] = values.split("|")
    return table[name]


@cache
def voice(name: str) -> dict[str, list[str]]:
    """Frames, leads and chatter, from voice.json; an entry "text*3" counts three times."""
    table: dict[str, list[str]] = read_json("voice.json")[name]
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


def render(frame: str, parts: dict[str, str]) -> str:
    """Fill {name} marks in one pass; values may themselves contain braces."""
    pieces = frame.split("{")
    out = pieces[0]
    for piece in pieces[1:]:
        name, _, rest = piece.partition("}")
        out += parts[name] + rest
    return out
