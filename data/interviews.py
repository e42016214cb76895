"""A CSV of interviews to a checked `datasets.Dataset`, and its 99:1 splits."""

import codecs
import csv
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets import Dataset

from common.console import UserError
from data.text import clean_text

COLUMNS = ("question", "answer", "summary")
USER_CSV = Path("data/aihub_interview.csv")
VALIDATION_CSV = Path("data/aihub_validation.csv")
SAMPLE_CSV = Path("data/sample_interview.csv")
SPLITS = ("row", "question")  # what is divided into training and validation

# UTF-8, with or without BOM, or CP949, which Excel writes in Korea. CP949 is tried second, because
# it decodes almost any bytes, while Korean text in CP949 is never valid UTF-8.
ENCODINGS = {"utf-8-sig": "UTF-8", "cp949": "CP949(엑셀)"}


@dataclass(frozen=True)
class Interviews:
    """Rows with `question`, `answer`, `summary` and `row` (its number in the file, from 1)."""

    path: Path
    encoding: str
    rows: Dataset
    dropped: int  # rows left out because a field was empty

    def describe(self) -> str:
        """One Korean line for the terminal."""
        dropped = f", 빈 칸이 있어 뺀 행 {self.dropped:,}개" if self.dropped else ""
        return f"데이터: {self.path} ({self.encoding}, {len(self.rows):,}행{dropped})"


def default_csv() -> Path:
    """The user's AI Hub file if it exists, else the synthetic sample of this repository."""
    return USER_CSV if USER_CSV.exists() else SAMPLE_CSV


def read_interviews(path: Path, minimum_rows: int = 2) -> Interviews:
    """Read, clean and check a CSV.

    Rows with an empty field are dropped and counted. Column names are compared without case and
    surrounding blanks, and other columns are ignored.

    Raises:
        UserError: the file cannot be read, lacks a column, or has too few usable rows.
    """
    encoding = detect_encoding(path)
    header, table = read_table(path, encoding)
    indices = column_indices(path, header, COLUMNS)
    usable: list[dict[str, Any]] = []
    for number, row in enumerate(table, start=1):
        texts = [clean_text(row[index]) for index in indices]
        if all(texts):
            usable.append(dict(zip(COLUMNS, texts, strict=True)) | {"row": number})
    if len(usable) < minimum_rows:
        raise UserError(
            f"{path}: 쓸 수 있는 행이 {len(usable)}개뿐입니다. "
            f"{', '.join(COLUMNS)}이(가) 모두 채워진 행이 {minimum_rows}개 이상 있어야 합니다."
        )
    rows = Dataset.from_list(usable)
    return Interviews(path, ENCODINGS[encoding], rows, dropped=len(table) - len(usable))


def default_validation(data: Path) -> Path | None:
    """AI Hub's own validation rows, where they exist and `data` is its training rows."""
    of_aihub = data.resolve() == USER_CSV.resolve()
    return VALIDATION_CSV if of_aihub and VALIDATION_CSV.exists() else None


def split_interviews(rows: Dataset, by: str = "row", seed: int = 42) -> tuple[Dataset, Dataset]:
    """99:1 into training and validation rows, with at least one validation row.

    By "question", all rows of a question stand on one side. The model is then validated on
    questions that it has never seen. A question with too many rows for 1% stays in training.

    Raises:
        UserError: all rows have the same question and are to be split by it.
    """
    count = max(1, round(len(rows) * 0.01))
    if by == "row":
        split = rows.train_test_split(test_size=count, seed=seed)
        return split["train"], split["test"]
    asked = list(rows["question"])
    repeats = Counter(asked)
    if len(repeats) == 1:
        raise UserError("--split question: 질문이 한 가지뿐이라 나눌 수 없습니다.")
    questions = list(repeats)
    random.Random(seed).shuffle(questions)
    held_out: set[str] = set()
    for question in questions:
        if repeats[question] <= count:
            held_out.add(question)
            count -= repeats[question]
    held_out = held_out or {min(questions, key=repeats.__getitem__)}
    train = [i for i, question in enumerate(asked) if question not in held_out]
    validation = [i for i, question in enumerate(asked) if question in held_out]
    return rows.select(train), rows.select(validation)


def describe_overlap(train: Dataset, validation: Dataset) -> str:
    """How many of the validation rows ask a question that training sees, too, in Korean."""
    trained = set(train["question"])
    shared = sum(question in trained for question in validation["question"])
    return f"검증 행 {len(validation):,}개 가운데 {shared:,}개의 질문은 학습에도 있습니다."


def detect_encoding(path: Path) -> str:
    """The first of `ENCODINGS` that decodes every byte of a file."""
    if not path.is_file():
        raise UserError(f"{path}: 파일이 없습니다. 경로와 이름을 확인하세요.")
    raw = path.read_bytes()
    if not raw.removeprefix(codecs.BOM_UTF8).strip():
        raise UserError(f"{path}: 빈 파일입니다. 첫 줄에 {','.join(COLUMNS)} 열 이름을 넣으세요.")
    furthest = raw.find(b"\0")  # text has no NUL byte, while UTF-16 is full of them
    if furthest < 0:
        for encoding in ENCODINGS:
            try:
                raw.decode(encoding)
                return encoding
            except UnicodeDecodeError as error:
                # utf-8-sig counts from the end of the BOM, which does not change the line number.
                furthest = max(furthest, error.start)
    line = raw.count(b"\n", 0, furthest) + 1
    raise UserError(
        f"{path}: {line}번째 줄에 UTF-8도 CP949도 아닌 바이트가 있습니다. "
        "편집기나 엑셀에서 'CSV UTF-8'로 다시 저장하세요."
    )


def read_table(path: Path, encoding: str) -> tuple[list[str], list[list[str]]]:
    """The header of a CSV and its rows, all of the header's length. Every cell is text.

    Blank lines are skipped, short rows are filled with empty cells, and a column without a name,
    such as the index that pandas writes, gets a generated one.
    """
    header: list[str] = []
    rows: list[list[str]] = []
    line = 1  # where the current row begins: a quoted cell may contain newlines
    with path.open(encoding=encoding, newline="") as file:
        reader = csv.reader(file, strict=True)
        try:
            for row in reader:
                if not header:
                    if any(cell.strip() for cell in row):
                        header = [cell or f"({i + 1}번째 열)" for i, cell in enumerate(row)]
                elif any(row[len(header) :]):
                    raise csv.Error(f"{len(header)}칸이어야 하는데 {len(row)}칸")
                elif row:
                    rows.append((row + [""] * len(header))[: len(header)])
                line = reader.line_num + 1
        except csv.Error as error:
            raise UserError(
                f"{path}: {line}번째 줄에서 시작하는 행을 CSV로 읽을 수 없습니다 ({error}). "
                "따옴표와 쉼표의 짝을 확인하세요."
            ) from error
    return header, rows


def column_indices(path: Path, header: list[str], columns: Sequence[str]) -> list[int]:
    """Where in the header each of `columns` is, without case and surrounding blanks."""
    if len(set(header)) < len(header):
        raise UserError(
            f"{path}: 같은 열 이름이 두 번 있습니다 ({', '.join(header)}). 하나를 지우세요."
        )
    names = {name.strip().lower(): index for index, name in enumerate(header)}
    missing = [column for column in columns if column not in names]
    if missing:
        raise UserError(
            f"{path}: 열 {', '.join(missing)}이(가) 없습니다 (있는 열: {', '.join(header)}). "
            f"첫 줄을 {','.join(columns)}(으)로 고치세요."
        )
    return [names[column] for column in columns]
