"""Korean morphology, and the texts that were written by hand."""

import re
from pathlib import Path

import pytest

from data.interviews import SAMPLE_CSV
from pretraining.text.conjugate import conjugate
from pretraining.text.natural import NATURAL, Passage, passages
from pretraining.text.particles import PAIRS, attach, choose, final_sound, resolve
from pretraining.text.register import nominal, plain
from tests.pretraining.conftest import HELD_OUT, HELD_OUT_DEV, read


def test_particles_over_all_syllables() -> None:
    for code in range(0xAC00, 0xD7A4):
        syllable = chr(code)
        final = (code - 0xAC00) % 28
        assert final_sound(syllable) == final
        for particle, (consonant, vowel) in PAIRS.items():
            takes_vowel = final == 0 or (particle == "으로" and final == 8)
            assert choose(syllable, particle) == (vowel if takes_vowel else consonant)


@pytest.mark.parametrize(
    ("word", "particle", "expected"),
    [
        ("SQL", "을", "SQL을"), ("SQL", "으로", "SQL로"), ("AWS", "을", "AWS를"),
        ("3", "을", "3을"), ("10", "으로", "10으로"), ("1", "으로", "1로"), ("2", "이", "2가"),
        ("9", "은", "9는"), ("R", "으로", "R로"), ("ERP", "과", "ERP와"), ("BIM", "을", "BIM을"),
        ("Python", "으로", "Python으로"), ("Excel", "으로", "Excel로"), ("Figma", "이", "Figma가"),
        ("30%", "을", "30%를"), ("“결산”", "이라", "“결산”이라"),
    ],
)  # fmt: skip
def test_particles_of_digits_and_letters(word: str, particle: str, expected: str) -> None:
    assert attach(word, particle) == expected
    assert resolve(f"{word}[{particle}]") == expected


@pytest.mark.parametrize(
    ("clause", "ending", "expected"),
    [
        ("재고를 줄이다", "었습니다", "재고를 줄였습니다"), ("일을 돕다", "어서", "일을 도와서"),
        ("말을 듣다", "은", "말을 들은"), ("색을 고르다", "었다", "색을 골랐다"),
        ("짐을 들다", "ㄴ다", "짐을 든다"), ("일손이 부족하다", "ㄴ다", "일손이 부족하다"),
        ("지고 싶지 않다", "ㄴ다는", "지고 싶지 않다는"), ("먹지 않다", "ㄴ다", "먹지 않는다"),
        ("회사[이다]", "거든요", "회사거든요"), ("기본[이다]", "ㄴ다는", "기본이라는"),
        ("판을 만들다", "음", "판을 만듦"), ("문제가 있다", "은", "문제가 있는"),
    ],
)  # fmt: skip
def test_conjugation(clause: str, ending: str, expected: str) -> None:
    assert conjugate(clause, ending) == expected


def test_spoken_to_written() -> None:
    assert plain("정말 재미있게 봤습니다~!") == "정말 재미있게 봤다."
    assert plain("꼭 보시길 추천합니다") == "꼭 보시길 추천한다."
    assert plain("정말 대단합니다") is None  # an adjective or a verb? Only a dictionary knows
    assert nominal("정말 재미있게 봤다.") == "정말 재미있게 봤음"


def test_exchanged_words_leave_a_text_as_it_was_or_change_it_throughout() -> None:
    rows = read(NATURAL)
    assert len(rows) == len(passages())
    slots = 0
    for row, passage in zip(rows, passages(), strict=True):
        same = passage.fill(list(passage.slots))
        assert (same.question, same.text, same.retelling) == tuple(row.values())
        other = passage.fill(["쿠븀릅"] * len(passage.slots))
        for slot in passage.slots:
            assert slot not in other.text + other.retelling
        slots += len(passage.slots)
    assert slots > 4 * len(rows)
    example = Passage("", "{0}[을] 샀고 {1}개가 남았다.", "{0}[이] {1}개 남음.", ("사과", "3"))
    assert example.fill(["귤", "12"]).text == "귤을 샀고 12개가 남았다."
    assert example.fill(["귤", "12"]).retelling == "귤이 12개 남음."


def test_what_was_written_by_hand_shares_no_sentence() -> None:
    owner: dict[str, Path] = {}
    for path in (HELD_OUT, HELD_OUT_DEV, SAMPLE_CSV, NATURAL):
        texts = (text for row in read(path) for key, text in row.items() if key != "question")
        for sentence in {part for text in texts for part in re.split(r"(?<=[.?!])\s+", text)}:
            if len(sentence) > 20:
                assert owner.setdefault(sentence, path) == path, sentence
