"""The synthetic data: particles, reproducibility, honest summaries, clean pretraining text."""

import csv
import gzip
import itertools
import re
import unicodedata
from collections import Counter
from pathlib import Path

import pytest

from data.synthesis.conjugate import conjugate
from data.synthesis.lexicon import themes
from data.synthesis.natural import NATURAL, Passage, passages
from data.synthesis.particles import PAIRS, attach, choose, final_sound, resolve
from data.synthesis.register import nominal, plain
from data.synthesize import (
    FORBIDDEN,
    HANDWRITTEN,
    MAKERS,
    interview_rows,
    labelled_documents,
    pretraining_documents,
    write_sample_csv,
)

DEFAULT_ROWS, DEFAULT_SEED = 3200, 0
PRETRAINING_SEED = 2  # the stream that the embedded base has read
HELD_OUT = Path(__file__).parent / "handwritten_eval.csv"
HELD_OUT_DEV = Path(__file__).parent / "handwritten_dev.csv"
SHIPPED = Path(__file__).parent.parent.parent / "data" / "sample_interview.csv"
Row = dict[str, str]


def read(path: Path) -> list[Row]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return interview_rows(DEFAULT_ROWS, DEFAULT_SEED)


@pytest.fixture(scope="module")
def template_rows(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row["source"] == "template"]


@pytest.fixture(scope="module")
def documents() -> list[tuple[str, str]]:
    return list(itertools.islice(labelled_documents(PRETRAINING_SEED), 3000))


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


def test_rows_are_reproducible(tmp_path: Path, rows: list[Row]) -> None:
    assert interview_rows(DEFAULT_ROWS, DEFAULT_SEED) == rows
    assert interview_rows(50, 1) != interview_rows(50, 2)
    write_sample_csv(tmp_path / "a.csv", 300, 0)
    write_sample_csv(tmp_path / "b.csv", 300, 0)
    content = (tmp_path / "a.csv").read_bytes()
    assert content == (tmp_path / "b.csv").read_bytes()
    assert content.startswith(b"question,answer,summary,source\n")
    assert b"\r" not in content


def test_the_shipped_file_is_what_the_command_writes(tmp_path: Path) -> None:
    write_sample_csv(tmp_path / "again.csv", DEFAULT_ROWS, DEFAULT_SEED)
    assert (tmp_path / "again.csv").read_bytes() == SHIPPED.read_bytes()


def test_the_rows_kept_for_evaluation_are_in_neither(
    rows: list[Row], documents: list[tuple[str, str]]
) -> None:
    known = "\n".join([*(text for _, text in documents), *(" ".join(row.values()) for row in rows)])
    for path, count in ((HELD_OUT, 40), (HELD_OUT_DEV, 36)):
        held_out = read(path)
        assert len(held_out) == count
        for row in held_out:
            assert row["answer"] not in known and row["summary"] not in known


def test_what_was_written_by_hand_shares_no_sentence() -> None:
    owner: dict[str, Path] = {}
    for path in (HELD_OUT, HELD_OUT_DEV, HANDWRITTEN, NATURAL):
        texts = (text for row in read(path) for key, text in row.items() if key != "question")
        for sentence in {part for text in texts for part in re.split(r"(?<=[.?!])\s+", text)}:
            if len(sentence) > 20:
                assert owner.setdefault(sentence, path) == path, sentence


def test_count_and_variety(rows: list[Row], template_rows: list[Row]) -> None:
    assert len(rows) == DEFAULT_ROWS
    assert len({(row["question"], row["answer"]) for row in rows}) == DEFAULT_ROWS
    assert len({row["summary"] for row in template_rows}) == len(template_rows)
    assert len(themes()) >= 60
    lengths = sorted(len(row["answer"].split()) for row in template_rows)
    assert 45 <= lengths[len(lengths) // 2] <= 75


def test_no_artefacts(rows: list[Row]) -> None:
    broken = re.compile(r"[{}\[\]]|None|  |을를|를을|은는|는은|이가 가|(?<=\s)[을를는](?=\s)|,,")
    for row in rows:
        for key in ("question", "answer", "summary"):
            assert not broken.search(row[key]), row[key]
            assert row[key] == row[key].strip()
            assert row[key][-1] in ".?!", row[key]
        assert 2 <= len(re.findall(r"[.?](?:\s|$)", row["answer"])) <= 24


def test_near_duplicates_are_rare(rows: list[Row]) -> None:
    texts = [row["question"] + row["answer"] for row in rows[:800]]
    grams = [{text[i : i + 3] for i in range(len(text) - 2)} for text in texts]
    near = 0
    for first, second in itertools.combinations(grams, 2):
        small, large = sorted((len(first), len(second)))
        # Jaccard cannot exceed the ratio of the sizes: most pairs need no intersection.
        if small > 0.8 * large and len(first & second) > 0.8 * len(first | second):
            near += 1
    assert near < 0.01 * len(texts)


def test_summary_retells_and_invents_nothing(template_rows: list[Row]) -> None:
    for row in template_rows:
        sentences = re.split(r"(?<=\.)\s+", row["summary"])
        assert 1 <= len(sentences) <= 3, row["summary"]
        assert not any(sentence in row["answer"] for sentence in sentences), row["summary"]
        known = set(re.findall(r"\d[\d,]*", row["question"] + " " + row["answer"]))
        assert set(re.findall(r"\d[\d,]*", row["summary"])) <= known, row


def test_pretraining_is_deterministic(documents: list[tuple[str, str]]) -> None:
    again = itertools.islice(pretraining_documents(PRETRAINING_SEED), 500)
    assert list(again) == [text for _, text in documents[:500]]


def test_pretraining_never_shows_the_prompt_or_a_row(
    documents: list[tuple[str, str]], rows: list[Row]
) -> None:
    stream = "\n".join(text for _, text in documents)
    assert not any(mark in stream for mark in FORBIDDEN)
    for row in rows:
        assert row["answer"] not in stream
        assert row["summary"] not in stream


def test_a_corpus_adds_real_text(tmp_path: Path) -> None:
    reviews = [
        f"{i}번째로 본 영화인데 배우의 연기가 정말 좋았습니다. 또 보고 싶어요." for i in range(50)
    ]
    with gzip.open(tmp_path / "nsmc_reviews.txt.gz", "wt", encoding="utf-8") as file:
        file.write("\n".join(reviews))
    (tmp_path / "chatbot_qa.csv").write_text("Q,A,label\n배고파,같이 먹어요.,0\n", encoding="utf-8")
    found = list(itertools.islice(labelled_documents(0, tmp_path), 400))
    assert {kind for kind, _ in found} == set(MAKERS)
    assert all(unicodedata.is_normalized("NFC", text) for _, text in found)


def test_every_kind_occurs(documents: list[tuple[str, str]]) -> None:
    kinds = Counter(kind for kind, _ in documents)
    assert set(kinds) == set(MAKERS) - {"real"}
    assert min(kinds.values()) > 300
    assert all(40 <= len(text) <= 1500 for _, text in documents)


def test_drills_may_come_first() -> None:
    kinds = [kind for kind, _ in itertools.islice(labelled_documents(0, None, 400), 800)]
    assert kinds[:400].count("drill") > 200 and kinds[400:].count("drill") < 150


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
