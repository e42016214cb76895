"""Copying drills: dictation, lists, cloze, look-up. They teach induction from the first step."""

import random
from collections.abc import Callable

from data.synthesis.clauses import compound, company, person_name, pick, pseudo_word, words
from data.synthesis.particles import choose
from data.synthesis.realtext import Corpus

_UNITS = "개 명 건 일 분 시간 킬로그램 미터 퍼센트 원 점 회 권 장 병 상자 대 마리 그루 쪽 층 호".split()
_ARROWS = [" → ", " => ", ": ", " - ", " = ", " | "]
_REPEATS = ["받아쓰기", "다시 쓰기", "그대로 옮기기", "따라 쓰기", "베껴 쓰기", "한 번 더", "같은 문장", "복사", "되풀이"]
_LISTS = ["순서대로", "목록 다시", "차례대로 읽기", "들은 순서", "다시 부르기", "확인"]
_REVERSE = ["거꾸로", "반대 순서", "뒤에서부터", "역순"]


def word(rng: random.Random, corpus: Corpus | None) -> str:
    """A noun, name, number or made-up word."""
    draw = rng.random()
    if corpus and draw < 0.35:
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
    return pick(rng, words(pick(rng, ["city", "subject", "head_noun", "trait", "hobby", "license"])))


def number(rng: random.Random) -> str:
    size = 10 ** (1 + int(rng.random() * 4))
    value = int(rng.random() * size) + 1
    return (f"{value:,}" if rng.random() < 0.5 else str(value)) + pick(rng, _UNITS)


def syllables(rng: random.Random, count: int) -> str:
    """Random Hangul: half from common syllables, half from all 11,172."""
    common = "가나다라마바사아자차카타파하거너더러머버서어저고노도로모보소오조구누두루무부수우주기니디리미비시이지"
    if rng.random() < 0.6:
        return "".join(pick(rng, list(common)) for _ in range(count))
    return "".join(chr(0xAC00 + int(rng.random() * 11_172)) for _ in range(count))


def _sentence(rng: random.Random, corpus: Corpus | None) -> str:
    if corpus and rng.random() < 0.6:
        return corpus.sentence(rng)
    first, second = word(rng, corpus), word(rng, corpus)
    frame = pick(rng, _SENTENCES)
    first += choose(first, frame[1:].split("}")[0])
    if "{을}" in frame:
        second += choose(second, "을")
    elif "{과}" in frame:
        second += choose(second, "과")
    head = frame[frame.index("}") + 1 :]
    for mark in ("{을}", "{과}", "{}"):
        head = head.replace(mark, second)
    return first + head.replace("#", number(rng)).replace("@", pick(rng, words("city")))


# {은}, {이}: the first word with its particle; {을}, {과}, {}: the second; # a number; @ a city.
_SENTENCES = [
    "{은} {을} # 가지고 있다.", "{이} {과} 함께 @에 도착했다.", "{은} @에서 {을} 찾았다.",
    "{은} # 뒤에 {을} 다시 보냈다.", "{이} 고른 것은 {}, 값은 #이다.", "{은} {을} 보고 웃었다.",
    "{은} 어제 @에서 {을} 샀어요.", "{이} {을} 맡고 나머지는 #입니다.", "{은} {}보다 먼저 적혔고 수는 #이다.",
]  # fmt: skip


def dictation(rng: random.Random, corpus: Corpus | None) -> str:
    title = pick(rng, _REPEATS)
    texts = [_sentence(rng, corpus) for _ in range(1 + int(rng.random() * 3))]
    draw = rng.random()
    if draw < 0.4:
        arrow = pick(rng, _ARROWS)
        return "\n".join(f"{text}\n{title}{arrow}{text}" for text in texts)
    joined = " ".join(texts)
    if draw < 0.7:
        return f"{joined}\n\n{title}\n{joined}"
    mark = pick(rng, ["“”", "「」", "''", "[]"])
    return f"{title}: {mark[0]}{joined}{mark[1]} {pick(rng, ['다시', '그대로', '한 번 더'])} {mark[0]}{joined}{mark[1]}"


def word_list(rng: random.Random, corpus: Corpus | None) -> str:
    lines = []
    for _ in range(1 + int(rng.random() * 4)):
        items = [word(rng, corpus) for _ in range(3 + int(rng.random() * 8))]
        glue = pick(rng, [", ", " ", " / ", "·", "; "])
        backward = rng.random() < 0.15
        title = pick(rng, _REVERSE if backward else _LISTS)
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
        holed = " ".join(tokens[:place] + [blank] + tokens[place + 1 :])
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
    form = pick(rng, _LOOKUPS)
    answers = [
        form.replace("{k은}", keys[i] + choose(keys[i], "은")).replace("{k}", keys[i])
        .replace("{v이다}", values[i] + choose(values[i], "이라")[:-1] + "다").replace("{v}", values[i])
        for i in asked
    ]  # fmt: skip
    return "\n".join(table) + "\n\n" + "\n".join(answers)


_LOOKUPS = [
    "{k은}? {v}", "{k}에 적힌 것은 {v이다}.", "표에서 {k} 옆에는 {v}, 이렇게 적혀 있다.",
    "문: {k} 값은? 답: {v}", "{k} 칸 → {v}", "{k은} 무엇인가요? {v}입니다.",
]  # fmt: skip


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
    title = pick(rng, ["핵심어", "나온 말", "낱말 뽑기", "주요 단어", "열쇠말", "적힌 이름과 수"])
    glue = pick(rng, [", ", " / ", "\n- ", " · "])
    return " ".join(lines) + "\n" + title + (glue if "\n" in glue else ": ") + glue.join(found)


_DRILLS = [dictation, dictation, word_list, word_list, random_syllables, cloze, lookup, keywords]


def document(rng: random.Random, corpus: Corpus | None) -> str:
    return _DRILLS[int(rng.random() * len(_DRILLS))](rng, corpus)
