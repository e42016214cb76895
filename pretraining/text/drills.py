"""Copying drills: dictation, lists, cloze, look-up. They teach induction from the first step."""

import random
from collections.abc import Callable

from pretraining.text.corpus import Corpus
from pretraining.text.lexicon import pick, read_json, words
from pretraining.text.particles import choose
from pretraining.text.world import company, compound, person_name, pseudo_word

_FORMS = read_json("forms.json")
_ARROWS = [" → ", " => ", ": ", " - ", " = ", " | "]


def word(rng: random.Random, corpus: Corpus | None) -> str:
    """A noun, name, number or made-up word."""
    draw = rng.random()
    if corpus and corpus.nouns and draw < 0.35:
        return pick(rng, corpus.nouns)
    if draw < 0.5:
        return pick(rng, words("everyday"))
    if draw < 0.6:
        return pseudo_word(rng)
    if draw < 0.7:
        return number(rng)
    if draw < 0.76:
        return syllables(rng, 2 + int(rng.random() * 4))
    makers: list[Callable[[random.Random], str]] = [person_name, company, compound]
    if draw < 0.88:
        return makers[int(rng.random() * 3)](rng)
    return pick(
        rng,
        words(pick(rng, ["city", "subject", "nature", "head_noun", "trait", "hobby", "license"])),
    )


def number(rng: random.Random) -> str:
    size = 10 ** (1 + int(rng.random() * 4))
    value = int(rng.random() * size) + 1
    return (f"{value:,}" if rng.random() < 0.5 else str(value)) + pick(rng, words("unit"))


def syllables(rng: random.Random, count: int) -> str:
    """Random Hangul: half from common syllables, half from all 11,172."""
    if rng.random() < 0.6:
        return "".join(pick(rng, words("common_syllable")) for _ in range(count))
    return "".join(chr(0xAC00 + int(rng.random() * 11_172)) for _ in range(count))


def _sentence(rng: random.Random, corpus: Corpus | None) -> str:
    """A real sentence, or a frame filled with any words.

    In a frame, {은} or {이} is the first word with its particle, {을}, {과} or {} the second, # a
    number and @ a city.
    """
    if corpus and rng.random() < 0.6:
        return corpus.sentence(rng)
    first, second = word(rng, corpus), word(rng, corpus)
    frame = pick(rng, _FORMS["sentences"])
    first += choose(first, frame[1:].split("}")[0])
    if "{을}" in frame:
        second += choose(second, "을")
    elif "{과}" in frame:
        second += choose(second, "과")
    head = frame[frame.index("}") + 1 :]
    for mark in ("{을}", "{과}", "{}"):
        head = head.replace(mark, second)
    return first + head.replace("#", number(rng)).replace("@", pick(rng, words("city")))


def dictation(rng: random.Random, corpus: Corpus | None) -> str:
    title = pick(rng, _FORMS["repeats"])
    texts = [_sentence(rng, corpus) for _ in range(1 + int(rng.random() * 3))]
    draw = rng.random()
    if draw < 0.4:
        arrow = pick(rng, _ARROWS)
        return "\n".join(f"{text}\n{title}{arrow}{text}" for text in texts)
    joined = " ".join(texts)
    if draw < 0.7:
        return f"{joined}\n\n{title}\n{joined}"
    mark = pick(rng, ["“”", "「」", "''", "[]"])
    quoted = mark[0] + joined + mark[1]
    return f"{title}: {quoted} {pick(rng, ['다시', '그대로', '한 번 더'])} {quoted}"


def word_list(rng: random.Random, corpus: Corpus | None) -> str:
    lines = []
    for _ in range(1 + int(rng.random() * 4)):
        items = [word(rng, corpus) for _ in range(3 + int(rng.random() * 8))]
        glue = pick(rng, [", ", " ", " / ", "·", "; "])
        backward = rng.random() < 0.15
        title = pick(rng, _FORMS["reverse"] if backward else _FORMS["lists"])
        again = items[::-1] if backward else items
        lines.append(f"{glue.join(items)}\n{title}{pick(rng, _ARROWS)}{glue.join(again)}")
    return "\n".join(lines)


def random_syllables(rng: random.Random, corpus: Corpus | None) -> str:
    lines = []
    for _ in range(2 + int(rng.random() * 5)):
        text = " ".join(
            syllables(rng, 1 + int(rng.random() * 5)) for _ in range(1 + int(rng.random() * 6))
        )
        lines.append(text + pick(rng, _ARROWS) + text)
    return "\n".join(lines)


def cloze(rng: random.Random, corpus: Corpus | None) -> str:
    lines = []
    for _ in range(2 + int(rng.random() * 4)):
        text = _sentence(rng, corpus)
        tokens = text.split()
        place = int(rng.random() * len(tokens))
        hidden = tokens[place]
        blank = pick(rng, ["___", "( )", "○○", "[빈칸]"])
        holed = " ".join([*tokens[:place], blank, *tokens[place + 1 :]])
        lines.append(f"{text}\n빈칸: {holed}{pick(rng, [' → ', ' 답은 ', ' 정답 '])}{hidden}")
    return "\n".join(lines)


def lookup(rng: random.Random, corpus: Corpus | None) -> str:
    keys: list[str] = []
    while len(keys) < 3 + int(rng.random() * 5):
        key = person_name(rng) if rng.random() < 0.5 else word(rng, corpus)
        if key not in keys:
            keys.append(key)
    values = [word(rng, corpus) for _ in keys]
    mark = pick(rng, [": ", " - ", " = ", "\t", " | "])
    table = [key + mark + value for key, value in zip(keys, values, strict=True)]
    asked = [int(rng.random() * len(keys)) for _ in range(2 + int(rng.random() * 4))]
    form = pick(rng, _FORMS["lookups"])
    answers = [_looked_up(form, keys[i], values[i]) for i in asked]
    return "\n".join(table) + "\n\n" + "\n".join(answers)


def _looked_up(form: str, key: str, value: str) -> str:
    copula = value + choose(value, "이라")[:-1] + "다"
    text = form.replace("{k은}", key + choose(key, "은")).replace("{k}", key)
    return text.replace("{v이다}", copula).replace("{v}", value)


def keywords(rng: random.Random, corpus: Corpus | None) -> str:
    """A paragraph of made sentences, then its words in order."""
    lines, found = [], []
    for _ in range(2 + int(rng.random() * 3)):
        first, second, city = word(rng, corpus), word(rng, corpus), pick(rng, words("city"))
        form = int(rng.random() * 3)
        lines.append(
            [
                f"{first}{choose(first, '은')} {city}에서 {second}{choose(second, '을')} 만났다.",
                f"{first}{choose(first, '과')} {city}, 그리고 {second} 이야기가 나왔어요.",
                f"{first} 다음으로 {city}에 간 뒤 {second}{choose(second, '을')} 챙겼습니다.",
            ][form]
        )
        found += [first, city, second]
    title = pick(rng, _FORMS["keywords"])
    glue = pick(rng, [", ", " / ", "\n- ", " · "])
    return " ".join(lines) + "\n" + title + (glue if "\n" in glue else ": ") + glue.join(found)


_DRILLS = [dictation, dictation, word_list, word_list, random_syllables, cloze, lookup, keywords]


def document(rng: random.Random, corpus: Corpus | None) -> str:
    return _DRILLS[int(rng.random() * len(_DRILLS))](rng, corpus)
