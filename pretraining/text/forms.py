"""Pretraining documents about interviews: a transcript and its retelling, in many layouts."""

import random

from pretraining.text.clauses import Clause, facts
from pretraining.text.conjugate import conjugate
from pretraining.text.corpus import Corpus
from pretraining.text.lexicon import jobs, pick, read_json, render, themes
from pretraining.text.speech import Speaker, answer, retell
from pretraining.text.world import World, person_name

OPEN_SHARE = 0.4
_ALONE = 0.14


def bullets(kept: list[Clause], rng: random.Random) -> str:
    """Each fact a line in the nominal style (했음, 함)."""
    mark = pick(rng, read_json("layouts.json")["bullets"])
    endings = {"past": pick(rng, ["었음", "음", "었다"]), "plan": pick(rng, ["을 계획", "고자 함"])}
    lines = []
    for number, fact in enumerate(kept, 1):
        ending = endings["plan"] if fact.role == "F" else "음"
        ending = endings["past"] if fact.tense == "past" else ending
        head = f"{number}) " if mark == "1) " else mark
        lines.append(head + conjugate(fact.text, ending))
    return "\n".join(lines)


def document(rng: random.Random, corpus: Corpus | None) -> str:
    known = read_json("layouts.json")
    theme = themes()[int(rng.random() * len(themes()))]
    job = jobs()[int(rng.random() * len(jobs()))]
    world = World(rng, job, OPEN_SHARE, corpus.nouns if corpus else [])
    found = facts(theme, world)
    kept = [fact for fact in found if fact.kept]
    style = "report" if rng.random() < 0.5 else "sample"
    parts = {
        "q": world.fill(pick(rng, theme.questions())),
        "a": answer(found, Speaker.draw(rng), rng),
        "r": retell(kept, style, rng),
        "b": bullets(kept, rng),
        "s": pick(rng, known["spoken"]),
        "w": pick(rng, known["written"]),
        "asker": pick(rng, known["asker"]),
        "teller": pick(rng, known["teller"]),
        "name": person_name(rng),
        "title": world.fill("{title}"),
        "year": world.fill("{year}"),
        "month": str(1 + int(rng.random() * 12)),
        "day": str(1 + int(rng.random() * 28)),
    }
    return render(pick(rng, known["alone" if rng.random() < _ALONE else "frames"]), parts)
