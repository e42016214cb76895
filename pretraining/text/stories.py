"""Pretraining documents that retell other small texts: stories and real sentences."""

import random

from pretraining.text.conjugate import conjugate
from pretraining.text.corpus import Corpus
from pretraining.text.lexicon import Theme, jobs, pick, read_json, themes
from pretraining.text.register import nominal, plain, without_fillers
from pretraining.text.speech import FILLERS
from pretraining.text.world import World

_FORMS = read_json("forms.json")
_SPOKEN = {
    "formal": ["었습니다", "었습니다", "었습니다", "었는데요", "었거든요", "었습니다"],
    "polite": ["었어요", "었어요", "었어요", "었거든요", "었는데요", "었네요"],
    "casual": ["었어", "었어", "었지", "었거든", "었는데 말이야", "었네"],
}


def _story(rng: random.Random, corpus: Corpus | None) -> list[str]:
    """Two to five clauses in dictionary form, in order."""
    theme = pick_theme(rng)
    world = World(rng, jobs()[int(rng.random() * len(jobs()))], 0.6, corpus.nouns if corpus else [])
    steps = [letter for letter in theme.shape if rng.random() < 0.8] or list(theme.shape[:2])
    clauses = []
    for letter in steps:
        options = theme.lines[letter]
        clauses.append(world.fill(options[int(rng.random() * len(options))][0]))
        # {everyday} and names are new in each clause: a story must not be guessable.
        world.memo.clear()
    return clauses


def pick_theme(rng: random.Random) -> Theme:
    scenes = themes("scenes.txt")
    return scenes[int(rng.random() * len(scenes))]


def _say(clauses: list[str], rng: random.Random) -> list[str]:
    endings = _SPOKEN[pick(rng, ["formal", "polite", "polite", "casual"])]
    filler = rng.random() * 0.3
    sentences = []
    for number, clause in enumerate(clauses):
        lead = pick(rng, _FORMS["leads"]) if number else ""
        if rng.random() < filler:
            lead += pick(rng, FILLERS)
        sentences.append(lead + conjugate(clause, pick(rng, endings)) + ".")
    return sentences


def _write(clauses: list[str], rng: random.Random) -> str:
    """해라체, with neighbours joined now and then."""
    out, index = [], 0
    while index < len(clauses):
        text = conjugate(clauses[index], "었다")
        if index + 1 < len(clauses) and rng.random() < 0.45:
            joint = conjugate(clauses[index], pick(rng, _FORMS["joints"]))
            index += 1
            text = joint + " " + conjugate(clauses[index], "었다")
        out.append(text + ".")
        index += 1
    return " ".join(out)


def _notes(clauses: list[str], rng: random.Random) -> str:
    mark = pick(rng, ["- ", "* ", "· ", "1. "])
    ending = pick(rng, ["었음", "음", "었음"])
    return "\n".join(
        (f"{i}. " if mark == "1. " else mark) + conjugate(clause, ending)
        for i, clause in enumerate(clauses, 1)
    )


def story(rng: random.Random, corpus: Corpus | None) -> str:
    """A made-up story told, then retold, noted down, or reduced to a sentence."""
    clauses = _story(rng, corpus)
    spoken, title = _say(clauses, rng), pick(rng, _FORMS["spoken"])
    told = " ".join(spoken)
    draw = rng.random()
    if draw < 0.4:
        after, heading = _write(clauses, rng), pick(rng, _FORMS["written"])
    elif draw < 0.55:
        after, heading = _notes(clauses, rng), pick(rng, _FORMS["notes"])
    elif draw < 0.7:
        number = 0 if rng.random() < 0.5 else len(clauses) - 1
        heading = pick(rng, _FORMS["last"] if number else _FORMS["first"])
        after = spoken[number] if rng.random() < 0.5 else conjugate(clauses[number], "었다") + "."
    elif draw < 0.8:
        after, heading = conjugate(clauses[-1], "은 일"), pick(rng, _FORMS["core"])
    else:
        title, told = pick(rng, _FORMS["written"]), _write(clauses, rng)
        after, heading = " ".join(_say(clauses, rng)), pick(rng, _FORMS["spoken"])
    frame = pick(rng, _FORMS["story_frames"])
    pieces = {"{t}": title, "{h}": heading, "{a}": told, "{b}": after}
    for mark in ("{t}", "{h}", "{a}", "{b}"):
        frame = frame.replace(mark, pieces[mark])
    return frame


def real(rng: random.Random, corpus: Corpus) -> str:
    """Real spoken sentences and their plain or nominal form, or their first or last sentence."""
    heading, title = pick(rng, _FORMS["written"]), pick(rng, _FORMS["spoken"])
    lines, written = [], []
    wanted = 1 + int(rng.random() * 4)
    as_note = rng.random() < 0.3
    for _ in range(40):
        sentence = corpus.sentence(rng)
        converted = plain(sentence)
        if converted and as_note:
            converted = nominal(converted)
        if converted:
            lines.append(sentence)
            written.append(without_fillers(converted))
        if len(lines) == wanted:
            break
    if not lines:
        return story(rng, corpus)
    draw = rng.random()
    if draw < 0.4:
        arrow = pick(rng, [" → ", "\n=> ", f"\n{heading}: ", f" [{heading}] "])
        return "\n".join(line + arrow + text for line, text in zip(lines, written, strict=True))
    if draw < 0.7:
        return f"{title}\n" + "\n".join(lines) + f"\n\n{heading}\n" + "\n".join(written)
    if draw < 0.85:
        return " ".join(lines) + f"\n{pick(rng, _FORMS['first'])}: {written[0]}"
    return " ".join(lines) + f"\n{pick(rng, _FORMS['last'])}: {written[-1]}"


def document(rng: random.Random, corpus: Corpus | None) -> str:
    if corpus and rng.random() < 0.4:
        return real(rng, corpus)
    return story(rng, corpus)
