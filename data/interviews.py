"""A CSV of interviews in, a checked `datasets.Dataset` out, and its 99:1 split."""

import codecs
import csv
import logging
import tempfile
from dataclasses import dataclass
from pathlib import Path

import datasets
from datasets import Dataset, Features, Value

from console import UserError
from data.prompts import clean_text

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
    table = _read_csv(path, encoding)
    names = {name.strip().lower(): name for name in table.column_names}
    missing = [column for column in columns if column not in names]
    if missing:
        raise UserError(
            f"{path}: 열 {', '.join(missing)}이(가) 없습니다 "
            f"(있는 열: {', '.join(table.column_names)}). "
            f"첫 줄을 {','.join(columns)}(으)로 고치세요."
        )
    texts = {column: [clean_text(value) for value in table[names[column]]] for column in columns}
    usable = [i for i in range(len(table)) if all(texts[column][i] for column in columns)]
    if len(usable) < minimum_rows:
        raise UserError(
            f"{path}: 쓸 수 있는 행이 {len(usable)}개뿐입니다. "
            f"{', '.join(columns)}이(가) 모두 채워진 행이 {minimum_rows}개 이상 있어야 합니다."
        )
    kept = {column: [values[i] for i in usable] for column, values in texts.items()}
    rows = Dataset.from_dict(kept | {"row": [i + 1 for i in usable]})
    return Interviews(path, ENCODINGS[encoding], rows, dropped=len(table) - len(rows))


def split_interviews(rows: Dataset, seed: int = 42) -> tuple[Dataset, Dataset]:
    """99:1 into training and validation rows, with at least one validation row."""
    validation = max(1, round(len(rows) * 0.01))
    split = rows.train_test_split(test_size=validation, seed=seed)
    return split["train"], split["test"]


def detect_encoding(path: Path) -> str:
    """The first of `ENCODINGS` that decodes every byte of the file, strictly."""
    if not path.is_file():
        raise UserError(f"{path}: 파일이 없습니다. 경로와 이름을 확인하세요.")
    raw = path.read_bytes()
    if not raw.removeprefix(codecs.BOM_UTF8).strip():
        raise UserError(f"{path}: 빈 파일입니다. 첫 줄에 {','.join(COLUMNS)} 열 이름을 넣으세요.")
    furthest = 0
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
        "편집기에서 UTF-8로 다시 저장하세요."
    )


def _read_header(path: Path, encoding: str) -> tuple[list[str], int, bool]:
    """Column names, the number of lines up to the last of them, and whether anything follows.

    A column without a name, as pandas writes its index, gets one that nobody asks for.
    """
    with path.open(encoding=encoding, newline="") as file:
        reader = csv.reader(file)
        header = next(row for row in reader if any(cell.strip() for cell in row))
        lines = reader.line_num
        names = [name if name.strip() else f"({i + 1}번째 열)" for i, name in enumerate(header)]
        if len(set(names)) < len(names):
            raise UserError(
                f"{path}: 같은 열 이름이 두 번 있습니다 ({', '.join(names)}). 하나를 지우세요."
            )
        return names, lines, any(any(row) for row in reader)


def _read_csv(path: Path, encoding: str) -> Dataset:
    datasets.disable_progress_bars()
    datasets.logging.set_verbosity(logging.CRITICAL)  # what it would log is in our error's line
    try:
        header, lines, rows = _read_header(path, encoding)
        if not rows:  # datasets would call a header alone an error of its own
            return Dataset.from_dict({name: [] for name in header})
        # datasets keeps an Arrow copy of each file it reads. Ours lives in memory, so that an
        # edited file is read anew and nothing is left in the user's home.
        with tempfile.TemporaryDirectory() as cache:
            return Dataset.from_csv(
                str(path),
                keep_in_memory=True,
                cache_dir=cache,
                encoding=encoding,
                # Everything is text: "007" is not 7, and "NA" and "null" are words.
                features=Features({name: Value("string") for name in header}),
                names=header,
                header=None,
                skiprows=lines,
                keep_default_na=False,
                index_col=False,  # a row that is too long is an error, not an index
            )
    except (ValueError, OSError, csv.Error, datasets.exceptions.DatasetGenerationError) as error:
        cause = error.__cause__ or error
        reason = str(cause).strip().splitlines()[-1]
        raise UserError(
            f"{path}: CSV로 읽을 수 없습니다 ({reason}). 따옴표와 쉼표의 짝을 확인하세요."
        ) from error
    finally:
        datasets.enable_progress_bars()
