"""Korean particles, chosen by the sound that a word ends in.

Templates carry the particle in brackets, in its after-a-consonant form: `{tool}[을] 익히다`.
`resolve` turns the bracket into the form that the word before it asks for.
"""

import re

HANGUL_FIRST, HANGUL_LAST = 0xAC00, 0xD7A3
RIEUL = 8  # index of ㄹ among the 28 finals; 0 is "no final"

# After a consonant, after a vowel.
PAIRS = {
    "을": ("을", "를"),
    "은": ("은", "는"),
    "이": ("이", "가"),
    "과": ("과", "와"),
    "으로": ("으로", "로"),
    "이라": ("이라", "라"),
    "이나": ("이나", "나"),
    "이랑": ("이랑", "랑"),
    "이며": ("이며", "며"),
}
_MARK = re.compile(rf"\[({'|'.join(PAIRS)})\]")

# Finals of the Korean names: digits as 영 일 이 삼 ..., letters as 에이 비 ... 엘 엠 엔 ... 알.
# Trailing zeros are read 십, 백, 천, 만: a consonant other than ㄹ, as in 영.
_OTHER = 1
_DIGITS = {"0": _OTHER, "1": RIEUL, "3": _OTHER, "6": _OTHER, "7": RIEUL, "8": RIEUL}
_LETTERS = {"L": RIEUL, "R": RIEUL, "M": _OTHER, "N": _OTHER}
# Names that are read as English words, not letter by letter.
_WORDS = {
    "Excel": RIEUL, "Python": _OTHER, "Slack": _OTHER, "Notion": _OTHER, "Photoshop": _OTHER,
    "Tableau": 0, "Figma": 0, "Docker": 0, "Jira": 0, "Java": 0, "Spring": _OTHER, "React": 0,
    "Git": _OTHER, "Jenkins": 0, "Zeplin": _OTHER, "Premiere": 0,
}  # fmt: skip


def final_sound(word: str) -> int:
    """Index (0-27) of the final consonant that `word` is read with; 0 for a vowel, 8 for ㄹ.

    Closing quotes and brackets are looked through. For digits, Latin letters and signs only
    "vowel", "ㄹ" and "other" (1) are told apart: particles need no more.
    """
    word = word.rstrip("\"'”’」』)]>")
    if not word:
        return 0
    last = word[-1]
    if HANGUL_FIRST <= ord(last) <= HANGUL_LAST:
        return (ord(last) - HANGUL_FIRST) % 28
    if last in "0123456789":
        return _DIGITS.get(last, 0)
    match = re.search(r"[A-Za-z]+$", word)
    if not match:
        return 0  # "%" is 퍼센트, "+" 플러스: vowels
    letters = match.group()
    if letters in _WORDS:
        return _WORDS[letters]
    return _LETTERS.get(last.upper(), 0)


def choose(word: str, particle: str) -> str:
    """The form of `particle` (a key of `PAIRS`) that follows `word`."""
    consonant, vowel = PAIRS[particle]
    final = final_sound(word)
    if final == 0 or (particle == "으로" and final == RIEUL):
        return vowel
    return consonant


def attach(word: str, particle: str) -> str:
    """`word` with the right form of `particle`: attach("SQL", "을") == "SQL을"."""
    return word + choose(word, particle)


def resolve(text: str) -> str:
    """Replace every bracketed particle in `text` by the form its word asks for."""
    # A word never needs more than its last 24 characters to be read.
    return _MARK.sub(
        lambda m: choose(m.string[max(0, m.start() - 24) : m.start()], m.group(1)), text
    )
