"""Interviews made by rules, as many rows as a test or a benchmark wants."""

import random

from pretraining.text.clauses import facts
from pretraining.text.lexicon import jobs, pick, themes, voice
from pretraining.text.speech import Speaker, answer, retell
from pretraining.text.world import World

# These rows and the pretraining text never share a stream of random numbers.
_ROWS = "rows"
_ROW_OPEN_SHARE = 0.25
_SHORTEST_SUMMARY = 25


def interview_rows(count: int, seed: int) -> list[dict[str, str]]:
    """`count` rows with question, answer and summary; every theme equally often, up to one row.

    The same rows on every machine for a (count, seed); no two rows have the same summary.
    """
    rng = random.Random(f"{_ROWS}-{seed}")
    rows: list[dict[str, str]] = []
    seen: dict[str, None] = {}
    known, families = themes(), jobs()
    while len(rows) < count:
        theme = known[len(rows) % len(known)]
        world = World(rng, families[int(rng.random() * len(families))], _ROW_OPEN_SHARE)
        found = facts(theme, world, more_details=2 + int(rng.random() * 3))
        question = pick(rng, voice("asks")["lead"]) + world.fill(pick(rng, theme.questions()))
        spoken = answer(found, Speaker.draw(rng), rng)
        # Its frames bring no nouns of their own: all that a summary names is in the answer.
        summary = retell([fact for fact in found if fact.kept], "summary", rng)
        if len(summary) >= _SHORTEST_SUMMARY and summary not in seen:
            seen[summary] = None
            rows.append({"question": question, "answer": spoken, "summary": summary})
    rng.shuffle(rows)
    return rows
