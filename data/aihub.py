"""AI Hub's "채용면접 인터뷰 데이터" (dataSetSn 71592), as it is downloaded, to two CSV files.

Training and Validation are AI Hub's own parts. A record is a small JSON file of its own; the audio
beside them is never read.
"""

import csv
import hashlib
import json
import os
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from tqdm import tqdm

from common.console import UserError, one_line, table
from common.files import atomic_file
from data.archives import Unusable, find_sources, read_labels
from data.interviews import COLUMNS, USER_CSV, VALIDATION_CSV
from data.text import clean_text

PARTS = {"Training": USER_CSV.name, "Validation": VALIDATION_CSV.name}
PREFIXES = {"TL_": "Training", "VL_": "Validation"}  # of the zips with labels
DETAILS = ("occupation", "gender", "experience")
OCCUPATIONS = {
    "BM": "경영·사무",
    "SM": "영업·마케팅",
    "PS": "공공서비스",
    "RND": "연구개발",
    "ICT": "정보통신",
    "ARD": "디자인",
    "MM": "생산·제조",
}
OTHER = "그 밖"
DO_NOT_PUBLISH = (
    "AI Hub 데이터의 원문은 AI Hub의 이용 정책에 따라 공개하거나 남에게 넘길 수 없습니다. "
    "원문이 실린 CSV, 보고서, 화면도 마찬가지입니다."
)


@dataclass
class Imported:
    """What an import has found. A reason is kept with the name of its first record."""

    rows: Counter[tuple[str, str]] = field(default_factory=Counter)  # by part and occupation
    dropped: Counter[str] = field(default_factory=Counter)  # by reason
    examples: dict[str, str] = field(default_factory=dict)  # by reason
    seen: set[bytes] = field(default_factory=set)  # digests of the texts of a row

    def add(self, part: str, row: dict[str, str]) -> None:
        """Count a row, or raise `Unusable` if one with the same texts is there already."""
        texts = repr([row[column] for column in COLUMNS])
        digest = hashlib.blake2b(texts.encode(), digest_size=16).digest()
        if digest in self.seen:
            raise Unusable("같은 질문, 답변, 요약이 이미 있음")
        self.seen.add(digest)
        self.rows[part, OCCUPATIONS.get(row["occupation"], OTHER)] += 1

    def drop(self, reason: str, name: str) -> None:
        """Count a record that is left out."""
        self.dropped[reason] += 1
        self.examples.setdefault(reason, name)

    def describe(self) -> str:
        """The rows of each occupation, and what was left out and why, in Korean."""
        found = {occupation for _, occupation in self.rows}
        lines = [
            [name, *(f"{self.rows[part, name]:,}" for part in PARTS)]
            for name in (*OCCUPATIONS.values(), OTHER)
            if name in found
        ]
        sums = [sum(n for (of, _), n in self.rows.items() if of == part) for part in PARTS]
        lines.append(["모두", *(f"{rows:,}" for rows in sums)])
        dropped = [
            f"뺀 기록 {count:,}개: {reason} (처음: {one_line(self.examples[reason])})"
            for reason, count in self.dropped.most_common()
        ]
        return "\n".join([table(["직군", *PARTS], lines), *dropped])


def import_aihub(paths: Sequence[Path], folder: Path) -> Imported:
    """Write the records under `paths` to `aihub_interview.csv` and `aihub_validation.csv`.

    One record is in memory at a time. A file appears whole or not at all, and a part without
    records gets none.

    Raises:
        UserError: a file of that name exists, a zip is damaged, or there are no records.
    """
    for name in PARTS.values():
        if (folder / name).exists():
            raise UserError(f"{folder / name}: 이미 있습니다. 옮기거나 지우고 다시 실행하세요.")
    folder.mkdir(parents=True, exist_ok=True)
    sources = find_sources(paths)
    count = sum(1 for source in sources for _ in read_labels(source))  # opens every zip
    labels = chain.from_iterable(map(read_labels, sources))
    found = Imported()
    with ExitStack() as files:
        writers: dict[str, csv.DictWriter[str]] = {}
        for label in tqdm(labels, "AI Hub", count, unit="건", dynamic_ncols=True, delay=2):
            try:
                part, row = part_of(label.name), to_row(label.read())
                found.add(part, row)
            except Unusable as reason:
                found.drop(str(reason), label.name)
                continue
            if part not in writers:
                draft = files.enter_context(atomic_file(folder / PARTS[part]))
                # The byte order mark tells Excel that this is UTF-8.
                file = files.enter_context(draft.open("w", encoding="utf-8-sig", newline=""))
                writers[part] = csv.DictWriter(file, (*COLUMNS, *DETAILS))
                writers[part].writeheader()
            writers[part].writerow(row)
    if not found.rows:
        dropped = "".join(f" {reason}: {n:,}개." for reason, n in found.dropped.items())
        raise UserError(
            f"{', '.join(map(str, paths))}: 쓸 수 있는 기록이 없습니다.{dropped} "
            "Training과 Validation, 또는 TL_과 VL_로 시작하는 zip이 든 폴더를 주세요."
        )
    return found


def part_of(name: str) -> str:
    """Training or Validation, by the innermost folder or zip whose name says so."""
    for folder in reversed(Path(os.path.abspath(name)).parts):
        part = PREFIXES.get(folder[:3], folder)
        if part in PARTS:
            return part
    raise Unusable("Training인지 Validation인지 알 수 없음")


def to_row(content: bytes) -> dict[str, str]:
    """The row of a label file.

    Raises:
        Unusable: it is not such a file, or a text is empty.
    """
    try:
        # AI Hub's strings hold control characters, which `strict` forbids. `loads` itself
        # recognises the byte order mark that the files begin with.
        data = json.loads(content, strict=False)["dataSet"]
        question, answer = data["question"]["raw"]["text"], data["answer"]["raw"]["text"]
        texts = [question, answer, data["answer"]["summary"]["text"]]
        details = [data["info"].get(name) for name in DETAILS]
    except (ValueError, RecursionError) as error:
        raise Unusable("JSON으로 읽을 수 없음") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise Unusable("질문, 답변, 요약이 제자리에 없음") from error
    cells = [clean_text(value) if isinstance(value, str) else "" for value in (*texts, *details)]
    if not all(cells[: len(COLUMNS)]):
        raise Unusable("질문, 답변, 요약 가운데 빈 것이 있음")
    return dict(zip((*COLUMNS, *DETAILS), cells, strict=True))
