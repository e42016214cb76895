"""A CSV of interviews in, a checked `datasets.Dataset` out, and its 99:1 split."""

import codecs
import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets import Dataset

from common.console import UserError
from data.text import clean_text

COLUMNS = ("question", "answer", "summary")
USER_CSV = Path("data/aihub_interview.csv")
SAMPLE_CSV = Path("data/sample_interview.csv")

# A file is UTF-8 (with or without BOM) or what Excel in Korea writes. CP949 comes second because
# almost any bytes pass for CP949, while Korean text in CP949 never passes for UTF-8.
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
    """The user's AI Hub file where there is one, else the shipped synthetic sample."""
    return USER_CSV if USER_CSV.exists() else SAMPLE_CSV


def read_interviews(
    path: Path, columns: tuple[str, ...] = COLUMNS, minimum_rows: int = 2
) -> Interviews:
    """Read, normalise and check a CSV.

    Text becomes NFC and is stripped; a row with an empty field is dropped and counted. Column
    names are trimmed and compared without case; further columns are ignored.

    Raises:
        UserError: no such file, an unknown encoding, a missing column, too few usable rows.
    """
    encoding = detect_encoding(path)
    table = parse(path, encoding)
    header = next(table)
    names = places(path, header, columns)
    kept: dict[str, list[Any]] = {column: [] for column in (*columns, "row")}
    number = 0
    for number, row in enumerate(table, start=1):
        texts = {column: clean_text(row[names[column]]) for column in columns}
        if all(texts.values()):
            for column, value in (texts | {"row": number}).items():
                kept[column].append(value)
    rows = Dataset.from_dict(kept)
    if len(rows) < minimum_rows:
        raise UserError(
            f"{path}: 쓸 수 있는 행이 {len(rows)}개뿐입니다. "
            f"{', '.join(columns)}이(가) 모두 채워진 행이 {minimum_rows}개 이상 있어야 합니다."
        )
    return Interviews(path, ENCODINGS[encoding], rows, dropped=number - len(rows))


def places(path: Path, header: list[str], columns: tuple[str, ...]) -> dict[str, int]:
    """The place of each column in the header, by its name: trimmed, in lower case.

    Raises:
        UserError: one of `columns` is missing.
    """
    names = {name.strip().lower(): place for place, name in enumerate(header)}
    missing = [column for column in columns if column not in names]
    if missing:
        raise UserError(
            f"{path}: 열 {', '.join(missing)}이(가) 없습니다 (있는 열: {', '.join(header)}). "
            f"첫 줄을 {','.join(columns)}(으)로 고치세요."
        )
    return names


def split_interviews(rows: Dataset, seed: int = 42) -> tuple[Dataset, Dataset]:
    """99:1 into training and validation rows, with at least one validation row."""
    validation = max(1, round(len(rows) * 0.01))
    split = rows.train_test_split(test_size=validation, seed=seed)
    return split["train"], split["test"]


def detect_encoding(path: Path) -> str:
    """The first of `ENCODINGS` that decodes every byte of a file, strictly.

    Raises:
        UserError: no such file, an empty one, or bytes that are neither.
    """
    if not path.is_file():
        raise UserError(f"{path}: 파일이 없습니다. 경로와 이름을 확인하세요.")
    raw = path.read_bytes()
    if not raw.removeprefix(codecs.BOM_UTF8).strip():
        raise UserError(f"{path}: 빈 파일입니다. 첫 줄에 {','.join(COLUMNS)} 열 이름을 넣으세요.")
    furthest = raw.find(b"\0")  # in a text there is none; in UTF-16 every second byte is one
    if furthest < 0:
        for encoding in ENCODINGS:
            try:
                raw.decode(encoding)
                return encoding
            except UnicodeDecodeError as error:
                # utf-8-sig counts from behind the BOM; a line number is not moved by that.
                furthest = max(furthest, error.start)
    line = raw.count(b"\n", 0, furthest) + 1
    raise UserError(
        f"{path}: {line}번째 줄에 UTF-8도 CP949도 아닌 바이트가 있습니다. "
        "편집기나 엑셀에서 'CSV UTF-8'로 다시 저장하세요."
    )


def parse(path: Path, encoding: str) -> Iterator[list[str]]:
    """Yield the column names, then each row: all of their length, everything text ("007" is no 7).

    A column without a name, as pandas writes its index, gets one that nobody asks for. Blank lines
    are skipped, and what a short row lacks is empty.

    Raises:
        UserError: quotes that do not match, a row that is too long, a name that comes twice.
    """
    header: list[str] = []
    line = 1  # where a row begins: quoted text may run over many
    with path.open(encoding=encoding, newline="") as file:
        reader = csv.reader(file, strict=True)
        try:
            for row in reader:
                if not header and any(cell.strip() for cell in row):
                    header = [cell or f"({i + 1}번째 열)" for i, cell in enumerate(row)]
                    if len(set(header)) < len(header):
                        raise UserError(
                            f"{path}: 같은 열 이름이 두 번 있습니다 ({', '.join(header)}). "
                            "하나를 지우세요."
                        )
                    yield header
                elif any(row[len(header) :]):
                    raise csv.Error(f"{len(header)}칸이어야 하는데 {len(row)}칸")
                elif row and header:
                    yield (row + [""] * len(header))[: len(header)]
                line = reader.line_num + 1
        except csv.Error as error:
            raise UserError(
                f"{path}: {line}번째 줄에서 시작하는 행을 CSV로 읽을 수 없습니다 ({error}). "
                "따옴표와 쉼표의 짝을 확인하세요."
            ) from error
    if not header:
        yield header
