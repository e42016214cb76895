"""The sample rows: reproducibility, variety, honest summaries."""

import itertools
import re
from pathlib import Path

from pretraining.sample import interview_rows, write_sample_csv
from pretraining.text.lexicon import themes
from tests.pretraining.conftest import DEFAULT_ROWS, DEFAULT_SEED, Row

SHIPPED = Path(__file__).parent.parent.parent / "data" / "sample_interview.csv"


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
            assert row["source"] == "handwritten" or not broken.search(row[key]), row[key]
            assert row[key] == row[key].strip()
        assert row["summary"].endswith(".")
        # People who type leave the last full stop out now and then, and may say one sentence.
        assert 0 <= len(re.findall(r"[.?](?:\s|$)", row["answer"])) <= 24


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
