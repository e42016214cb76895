"""The synthetic rows and documents that the tests of this folder share."""

import csv
import itertools
from pathlib import Path

import pytest

from pretraining.documents import labelled_documents
from pretraining.sample import interview_rows

HELD_OUT = Path(__file__).parents[1] / "data" / "handwritten_eval.csv"
HELD_OUT_DEV = Path(__file__).parents[1] / "data" / "handwritten_dev.csv"
DEFAULT_ROWS, DEFAULT_SEED = 3200, 0
PRETRAINING_SEED = 2  # the stream that the embedded base has read
Row = dict[str, str]


def read(path: Path) -> list[Row]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="session")
def rows() -> list[Row]:
    return interview_rows(DEFAULT_ROWS, DEFAULT_SEED)


@pytest.fixture(scope="session")
def template_rows(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row["source"] == "template"]


@pytest.fixture(scope="session")
def documents() -> list[tuple[str, str]]:
    return list(itertools.islice(labelled_documents(PRETRAINING_SEED), 3000))
