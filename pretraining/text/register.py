"""Spoken to plain written style, for the regular cases: 했습니다 → 했다, 해요 → 한다.

Only endings whose stem is known without a dictionary are converted; `plain` returns None for all
others, so what it returns is right (하 verbs and adjectives look alike: 추천합니다 → 추천한다, but
대단합니다 → 대단하다).
"""

import re

from pretraining.text.lexicon import words
from pretraining.text.particles import HANGUL_FIRST

_MARKS = re.compile(r"[.!~^…ㅎㅋㅠㅜ♥♡*\s]+$")
_FILLER = re.compile(r"(?:^|(?<=\s))(?:음|어|그|아|뭐랄까|그러니까|글쎄요)[,.]*\s+(?=\S)")
_VERBS = words("real_verb")

# Longest first: the first ending that matches decides.
_RULES: list[tuple[str, str]] = [
    *[(f"{noun}합니다", f"{noun}한다") for noun in _VERBS],
    *[(f"{noun}해요", f"{noun}한다") for noun in _VERBS],
    ("것입니다", "것이다"), ("겁니다", "것이다"), ("거예요", "것이다"), ("거에요", "것이다"),
    ("아닙니다", "아니다"), ("아니에요", "아니다"), ("입니다", "이다"), ("이에요", "이다"),
    ("됩니다", "된다"), ("돼요", "된다"), ("바랍니다", "바란다"), ("나옵니다", "나온다"),
    ("보입니다", "보인다"), ("모릅니다", "모른다"), ("봅니다", "본다"), ("줍니다", "준다"),
    ("갑니다", "간다"), ("듭니다", "든다"), ("납니다", "난다"), ("느낍니다", "느낀다"),
    ("같습니다", "같다"), ("같아요", "같다"), ("좋습니다", "좋다"), ("좋아요", "좋다"),
    ("싶습니다", "싶다"), ("싶어요", "싶다"), ("많습니다", "많다"), ("많아요", "많다"),
    ("않습니다", "않다"), ("괜찮아요", "괜찮다"), ("어렵습니다", "어렵다"), ("쉽습니다", "쉽다"),
    ("아깝습니다", "아깝다"), ("아까워요", "아깝다"),
    ("아쉽습니다", "아쉽다"), ("아쉬워요", "아쉽다"),
    ("즐겁습니다", "즐겁다"), ("슬퍼요", "슬프다"), ("슬픕니다", "슬프다"), ("나빠요", "나쁘다"),
]  # fmt: skip
_SSANG_SIOT = ("습니다", "어요", "네요", "는데요", "거든요")
# 않습니다 after a verb is 않는다: both readings stand, and only the adjective's is regular here.
_NOMINAL = {
    "이다": "임", "한다": "함", "된다": "됨", "같다": "같음", "좋다": "좋음", "많다": "많음",
    "아니다": "아님", "본다": "봄", "준다": "줌", "간다": "감", "싶다": "싶음", "든다": "듦",
    "보인다": "보임", "어렵다": "어려움", "쉽다": "쉬움", "아깝다": "아까움", "아쉽다": "아쉬움",
}  # fmt: skip


def _has_past(syllable: str) -> bool:
    return syllable >= "가" and (ord(syllable) - HANGUL_FIRST) % 28 == 20


def plain(sentence: str) -> str | None:
    """The sentence in 해라체 with a full stop, or None when no rule is sure of its ending."""
    body = _MARKS.sub("", sentence)
    for ending in _SSANG_SIOT:
        if body.endswith(ending) and len(body) > len(ending) + 2:
            stem = body[: -len(ending)]
            if _has_past(stem[-1]):
                return stem + "다."
    for spoken, written in _RULES:
        if body.endswith(spoken) and len(body) > len(spoken) + 2 and spoken != "않습니다":
            return body[: -len(spoken)] + written + "."
    return None


def nominal(sentence: str) -> str | None:
    """A 해라체 sentence in the nominal style of notes (했음, 함, 임), or None."""
    body = sentence.rstrip(".")
    for written, noun in _NOMINAL.items():
        if body.endswith(written):
            return body[: -len(written)] + noun
    if len(body) > 3 and body.endswith("다") and _has_past(body[-2]):
        return body[:-1] + "음"
    return None


def without_fillers(sentence: str) -> str:
    """The sentence without 음, 어, 그 and their like at word starts."""
    return _FILLER.sub("", sentence)
