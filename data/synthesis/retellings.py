"""Pretraining documents that retell other small texts: stories and real sentences."""

import random

from data.synthesis.clauses import Theme, World, jobs, pick, themes
from data.synthesis.conjugate import conjugate
from data.synthesis.realtext import Corpus
from data.synthesis.register import nominal, plain, without_fillers
from data.synthesis.speech import FILLERS

_SPOKEN = {
    "formal": ["었습니다", "었습니다", "었습니다", "었는데요", "었거든요", "었습니다"],
    "polite": ["었어요", "었어요", "었어요", "었거든요", "었는데요", "었네요"],
    "casual": ["었어", "었어", "었지", "었거든", "었는데 말이야", "었네"],
}
_LEADS = ["", "", "", "그런데 ", "그래서 ", "그러고 나서 ", "그다음에 ", "그때 ", "아 참, ", "알고 보니 "]
_JOINTS = ["고", "었고", "었으며", "은 뒤", "고 나서", "었는데"]
_WRITTEN = ["글말", "글로 쓰면", "정리", "기록", "일기", "보고", "옮긴 글", "문어체", "다시 쓴 글", "요지"]
_SPOKEN_TITLES = ["입말", "말한 대로", "이야기", "들은 말", "대화", "구어체", "전화로 들은 말"]
_NOTES = ["메모", "쪽지", "수첩", "적어 둔 것", "항목"]
_FIRST = ["첫 문장", "맨 앞 문장", "시작"]
_LAST = ["마지막 문장", "끝 문장", "맺음"]
_CORE = ["핵심", "중심 문장", "한 줄", "제목"]


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
        lead = pick(rng, _LEADS) if number else ""
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
            joint = conjugate(clauses[index], pick(rng, _JOINTS))
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
    spoken, title = _say(clauses, rng), pick(rng, _SPOKEN_TITLES)
    told = " ".join(spoken)
    draw = rng.random()
    if draw < 0.4:
        after, heading = _write(clauses, rng), pick(rng, _WRITTEN)
    elif draw < 0.55:
        after, heading = _notes(clauses, rng), pick(rng, _NOTES)
    elif draw < 0.7:
        number = 0 if rng.random() < 0.5 else len(clauses) - 1
        heading = pick(rng, _LAST if number else _FIRST)
        after = spoken[number] if rng.random() < 0.5 else conjugate(clauses[number], "었다") + "."
    elif draw < 0.8:
        after, heading = conjugate(clauses[-1], "은 일"), pick(rng, _CORE)
    else:
        title, told = pick(rng, _WRITTEN), _write(clauses, rng)
        after, heading = " ".join(_say(clauses, rng)), pick(rng, _SPOKEN_TITLES)
    frame = pick(rng, ["{t}\n{a}\n\n{h}\n{b}", "{t}: {a}\n{h}: {b}", "{a}\n{h}: {b}", "{a}\n\n{h}\n{b}",
                       "[{t}] {a}\n[{h}] {b}", "({t}) {a} ({h}) {b}", "{a} → {b}"])  # fmt: skip
    pieces = {"{t}": title, "{h}": heading, "{a}": told, "{b}": after}
    for mark in ("{t}", "{h}", "{a}", "{b}"):
        frame = frame.replace(mark, pieces[mark])
    return frame


def real(rng: random.Random, corpus: Corpus) -> str:
    """Real spoken sentences and their plain or nominal form, or their first or last sentence."""
    heading, title = pick(rng, _WRITTEN), pick(rng, _SPOKEN_TITLES)
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
        return " ".join(lines) + f"\n{pick(rng, _FIRST)}: {written[0]}"
    return " ".join(lines) + f"\n{pick(rng, _LAST)}: {written[-1]}"


def document(rng: random.Random, corpus: Corpus | None) -> str:
    if corpus and rng.random() < 0.4:
        return real(rng, corpus)
    return story(rng, corpus)
