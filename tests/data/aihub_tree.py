"""A made-up download of AI Hub's interviews (dataSetSn 71592): its layout, none of its content.

python -m tests.data.aihub_tree FOLDER --records 76000
"""

import argparse
import json
import zipfile
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

from pretraining.rows import interview_rows

TOP = Path("129.채용면접 인터뷰 데이터/01-1.정식개방데이터")
LABELS, AUDIO = "02.라벨링데이터", "01.원천데이터"
OCCUPATIONS = {
    "BM": "01.Management",
    "SM": "02.SalesMarketing",
    "PS": "03.PublicService",
    "RND": "04.RND",
    "ICT": "05.ICT",
    "ARD": "06.Design",
    "MM": "07.ProductionManufacturing",
}
PARTS = {"Training": "T", "Validation": "V"}


def label(question: str, answer: str, summary: str, number: int = 0, **info: str) -> dict[str, Any]:
    """The object of a label file."""
    return {
        "version": "1.0",
        "dataSet": {
            "info": {
                "date": "20230116",
                "occupation": "BM",
                "channel": "MOCK",
                "place": "ONLINE",
                "gender": "FEMALE",
                "ageRange": "-34",
                "experience": "NEW",
                **info,
            },
            "question": {
                "raw": {"text": question, "wordCount": len(question.split())},
                "emotion": [],
                "intent": [],
            },
            "answer": {
                "raw": {"text": answer, "wordCount": len(answer.split())},
                "emotion": [{"expression": answer[:5], "category": "positive"}],
                "intent": [],
                "summary": {"text": summary, "wordCount": len(summary.split())},
            },
        },
        "rawDataInfo": {"answer": {"duration": 35_010, "audioPath": f"/ckmk_a_{number}.wav"}},
    }


def label_bytes(record: Mapping[str, Any]) -> bytes:
    """A label file: UTF-8 with a byte order mark, and newlines in its strings as they are."""
    text = json.dumps(record, ensure_ascii=False, indent=2)
    return text.replace("\\n", "\n").encode("utf-8-sig")


def write_zip(path: Path, members: Mapping[str, bytes]) -> None:
    """A deflated zip."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def build(folder: Path, records: int) -> Path:
    """The whole tree, a ninth of it for validation: 28 zips of labels for each part, and audio."""
    cells = list(product(PARTS, OCCUPATIONS, ("Female", "Male"), ("Experienced", "New")))
    members: dict[tuple[str, str, str, str], dict[str, bytes]] = {cell: {} for cell in cells}
    texts = interview_rows(min(records, 2_000), seed=1)
    for number in range(records):
        part = "Validation" if number % 9 == 8 else "Training"
        _, code, gender, experience = cells[number % 28]
        row = texts[number % len(texts)]
        record = label(
            row["question"],
            f"{row['answer']}\n제 번호는 {number}번입니다.",
            row["summary"],
            number,
            occupation=code,
            gender=gender.upper(),
            experience=experience.upper(),
        )
        name = f"/ckmk_d_{code}_{gender[0]}_{experience[0]}_{number:06}.json".lower()
        members[part, code, gender, experience][name] = label_bytes(record)
    for (part, code, gender, experience), files in members.items():
        name = f"{PARTS[part]}L_{OCCUPATIONS[code]}_{gender}_{experience}.zip"
        write_zip(folder / TOP / part / LABELS / name, files)
    for part, letter in PARTS.items():
        name = f"{letter}S_01.Management_Female_New.zip"
        write_zip(folder / TOP / part / AUDIO / name, {"/ckmk_a_bm_f_n_000001.wav": b"RIFF"})
    return folder / TOP.parts[0]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--records", type=int, default=76_000)
    arguments = parser.parse_args()
    print(build(arguments.folder, arguments.records))


if __name__ == "__main__":
    main()
