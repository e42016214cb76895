"""Verb endings: one clause in dictionary form, spoken or written in any register.

A clause ends in a dictionary form (`재고를 다시 세다`) or in the marked copula
(`꼼꼼함[이다]`). An ending is written the way a grammar lists it: `었습니다`, `어서`, `으면서`,
`은`, `고`. Its first letters say how it joins the stem (Korean standard grammar, 어문 규범):
`어`/`었` take the contracted infinitive, `으`/`은`/`을`/`음` lose their vowel after a vowel or ㄹ.
"""

from functools import lru_cache
from pathlib import Path

from pretraining.text.particles import HANGUL_FIRST, RIEUL, final_sound

NIEUN, MIEUM, BIEUP, SSANG_SIOT, DIGEUT, SIOT = 4, 16, 17, 20, 7, 19
A, AE, E_, O, OI, U, EU, I = 0, 1, 5, 8, 11, 13, 18, 20  # noqa: E741  (vowel indices)
WA, WAE, WEO, EO, YEO = 9, 10, 14, 4, 6

_REGULAR_B = tuple("입잡뽑좁집꼽씹접업굽")
_IRREGULAR_D = ("듣", "깨닫", "걷", "묻", "싣")
_IRREGULAR_S = tuple("짓잇낫붓긋")
_REGULAR_REU = ("따르", "치르", "들르")
_ADJECTIVES = frozenset(
    (Path(__file__).parent / "lexicon" / "adjectives.txt").read_text("utf-8").split()
)
COPULA = "[이다]"


def _split(syllable: str) -> tuple[int, int, int]:
    code = ord(syllable) - HANGUL_FIRST
    return code // 588, code // 28 % 21, code % 28


def _join(initial: int, vowel: int, final: int) -> str:
    return chr(HANGUL_FIRST + initial * 588 + vowel * 28 + final)


def _with_final(text: str, final: int) -> str:
    initial, vowel, _ = _split(text[-1])
    return text[:-1] + _join(initial, vowel, final)


def _dark(syllable: str) -> str:
    """아 after ㅏ and ㅗ, else 어 (vowel harmony)."""
    return "아" if _split(syllable)[1] in (A, O, 2) else "어"


def infinitive(stem: str) -> str:
    """The 아/어 form: 하 → 해, 줄이 → 줄여, 돕 → 도와, 고르 → 골라, 듣 → 들어."""
    initial, vowel, final = _split(stem[-1])
    if stem.endswith("하"):
        return stem[:-1] + "해"
    if final == BIEUP and not stem.endswith(_REGULAR_B):
        return _with_final(stem, 0) + ("와" if stem.endswith(("돕", "곱")) else "워")
    if final == DIGEUT and stem.endswith(_IRREGULAR_D):
        return _with_final(stem, RIEUL) + _dark(stem[-1])
    if final == SIOT and stem.endswith(_IRREGULAR_S):
        return _with_final(stem, 0) + _dark(stem[-1])
    if stem.endswith(("그렇", "이렇", "어떻")):
        return stem[:-1] + _join(initial, AE, 0)
    if final:
        return stem + _dark(stem[-1])
    if vowel == EU:
        before = stem[:-1]
        if stem.endswith("르") and not stem.endswith(_REGULAR_REU):
            return _with_final(before, RIEUL) + ("라" if _dark(before[-1]) == "아" else "러")
        dark = _dark(before[-1]) if before else "어"
        return before + _join(initial, A if dark == "아" else EO, 0)
    contracted = {O: WA, U: WEO, I: YEO, OI: WAE}
    if vowel in contracted:
        return stem[:-1] + _join(initial, contracted[vowel], 0)
    if vowel in (A, EO, AE, E_, YEO):
        return stem
    return stem + "어"


def _open_stem(stem: str) -> str:
    """The stem as endings with a leading 으 see it: 돕 → 도우, 듣 → 들으, 만들 → 만들."""
    final = _split(stem[-1])[2]
    if final in (0, RIEUL):
        return stem
    if final == BIEUP and not stem.endswith(_REGULAR_B):
        return _with_final(stem, 0) + "우"
    if final == DIGEUT and stem.endswith(_IRREGULAR_D):
        return _with_final(stem, RIEUL) + "으"
    if final == SIOT and stem.endswith(_IRREGULAR_S):
        return _with_final(stem, 0) + "으"
    return stem + "으"


def is_adjective(word: str) -> bool:
    """Whether a dictionary form inflects as an adjective (필요하다), by the lexicon."""
    return word in _ADJECTIVES or word.endswith(("스럽다", "롭다"))


@lru_cache(maxsize=200_000)
def _conjugate_word(word: str, ending: str, adjective: bool) -> str:
    stem = word[:-1]
    existential = stem.endswith(("있", "없"))
    final = _split(stem[-1])[2]
    if ending.startswith("었"):
        return _with_final(infinitive(stem), SSANG_SIOT) + ending[1:]
    if ending.startswith("어"):
        return infinitive(stem) + ending[1:]
    if ending.startswith("습니다"):
        if final in (0, RIEUL):
            return _with_final(stem, BIEUP) + "니다" + ending[3:]
        return stem + ending
    if ending.startswith("ㄴ다"):
        if adjective or existential:
            return stem + ending[1:]
        if final in (0, RIEUL):
            return _with_final(stem, NIEUN) + ending[1:]
        return stem + "는" + ending[1:]
    if ending.startswith("는") and adjective and not existential:
        return _conjugate_word(word, "은" + ending[1:], True)
    if ending.startswith(("는", "니", "느")):
        return (_with_final(stem, 0) if final == RIEUL else stem) + ending
    if ending.startswith("은") and existential:
        return stem + "는" + ending[1:]
    if ending[0] in "은을음":
        return _closed(_open_stem(stem), ending)
    if ending.startswith("으"):
        opened = _open_stem(stem)
        if ending.startswith("으니") and final == RIEUL:
            opened = _with_final(opened, 0)
        return opened + ending[1:]
    return stem + ending


def _closed(opened: str, ending: str) -> str:
    """은, 을 and 음 fold into the last syllable: 하 + 은 → 한, 만들 + 음 → 만듦."""
    final = {"은": NIEUN, "을": RIEUL, "음": MIEUM}[ending[0]]
    if ending[0] == "음" and _split(opened[-1])[2] == RIEUL:
        final = 10  # ㄻ
    return _with_final(opened, final) + ending[1:]


def _copula(noun: str, ending: str) -> str:
    after_vowel = final_sound(noun) == 0
    if ending.startswith("어요"):
        return noun + ("예요" if after_vowel else "이에요")
    if ending.startswith(("었", "어")):
        head = "여" if after_vowel else "이어"
        if ending.startswith("었"):
            head = _with_final(head, SSANG_SIOT)
        return noun + head + ending[1:]
    if ending.startswith("ㄴ다"):
        # Quoted, the copula is 이라: "기본이라는 것을"; at a sentence's end 이다.
        rest = ending[2:]
        return noun + (("라" if after_vowel else "이라") + rest if rest else "이다")
    if ending.startswith("는"):
        return noun + "인" + ending[1:]
    if after_vowel and ending.startswith(("거든", "네")):
        return noun + ending
    return noun + _conjugate_word("이다", ending, True)


def conjugate(clause: str, ending: str) -> str:
    """`clause` (ending in a dictionary form) with its last verb in `ending`.

    conjugate("재고를 줄이다", "었습니다") == "재고를 줄였습니다".
    """
    if clause.endswith(COPULA):
        return _copula(clause[: -len(COPULA)], ending)
    head, space, verb = clause.rpartition(" ")
    adjective = is_adjective(verb)
    if verb == "않다" and head.endswith("지"):
        # The auxiliary inflects like the word it negates: 싶지 않다, but 먹지 않는다.
        adjective = is_adjective(head.rpartition(" ")[2][:-1] + "다")
    return head + space + _conjugate_word(verb, ending, adjective)
