"""A CSV in, the same CSV with a column of summaries out."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from common.console import UserError
from common.files import move_into_place
from data.interviews import ENCODINGS, column_indices, detect_encoding, read_table
from data.text import clean_text
from infer.summarize import Summarizer


@dataclass(frozen=True)
class Sheet:
    """A CSV as it was read, and which of its rows can be summarised."""

    path: Path
    encoding: str
    header: list[str]
    rows: list[list[str]]
    usable: dict[int, tuple[str, str]]  # index of a row -> its question and answer, if it has both

    def describe(self) -> str:
        """One Korean line for the terminal."""
        empty = len(self.rows) - len(self.usable)
        skipped = f", 빈 칸이 있어 요약하지 않는 행 {empty:,}개" if empty else ""
        return f"데이터: {self.path} ({self.encoding}, {len(self.rows):,}행{skipped})"


def read_sheet(path: Path) -> Sheet:
    """Read a CSV that has the columns `question` and `answer`. It may have others."""
    encoding = detect_encoding(path)
    header, rows = read_table(path, encoding)
    indices = column_indices(path, header, ("question", "answer"))
    usable = {}
    for i, row in enumerate(rows):
        question, answer = (clean_text(row[index]) for index in indices)
        if question and answer:
            usable[i] = question, answer
    if not usable:
        raise UserError(f"{path}: question과 answer가 모두 채워진 행이 없습니다. 파일을 채우세요.")
    return Sheet(path, ENCODINGS[encoding], header, rows, usable)


def summarize_sheet(
    summarizer: Summarizer, sheet: Sheet, target: Path, batch_size: int
) -> Iterator[int]:
    """Write the sheet with a last column `summary`; yield how many rows each batch summarised.

    A column that has this name already is renamed. The rows go to `<target>.partial`, which
    becomes `target` after the last one.
    """
    for i, (question, _) in sheet.usable.items():
        summarizer.check(question, where=f"{sheet.path}: {i + 1}번째 행")
    header = [f"{c} (원본)" if c.strip().lower() == "summary" else c for c in sheet.header]
    partial = target.with_name(target.name + ".partial")
    # With a BOM, because Excel takes a file without one for CP949.
    with partial.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*header, "summary"])
        for start in range(0, len(sheet.rows), batch_size):
            batch = range(start, min(start + batch_size, len(sheet.rows)))
            asked = [i for i in batch if i in sheet.usable]
            pairs = [sheet.usable[i] for i in asked]
            written = summarizer.summarize([q for q, _ in pairs], [a for _, a in pairs])
            summaries = dict(zip(asked, written, strict=True))
            writer.writerows([*sheet.rows[i], summaries.get(i, "")] for i in batch)
            file.flush()
            yield len(asked)
    move_into_place(partial, target)
