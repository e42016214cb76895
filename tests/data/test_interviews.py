import codecs
import csv
import re
import unicodedata
from collections import Counter
from pathlib import Path

import pytest
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st

from common.console import UserError
from data.interviews import (
    COLUMNS,
    SAMPLE_CSV,
    USER_CSV,
    VALIDATION_CSV,
    default_csv,
    default_validation,
    describe_overlap,
    read_interviews,
    split_interviews,
)
from data.text import clean_text

HEADER = "question,answer,summary\n"
ROWS = [
    {"question": "지원 동기는?", "answer": "음, 물류를 좋아해서요.", "summary": "물류를 좋아함."},
    {"question": "장점은?", "answer": '"꼼꼼함", 입니다.\n네.', "summary": "꼼꼼하다."},
    {"question": "NA", "answer": "null", "summary": "None"},
]
TEXT = (
    HEADER + '지원 동기는?,"음, 물류를 좋아해서요.",물류를 좋아함.\n'
    '장점은?,"""꼼꼼함"", 입니다.\n네.",꼼꼼하다.\nNA,null,None\n'
)


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def texts(rows: Dataset) -> list[dict[str, str]]:
    return [{k: row[k] for k in ("question", "answer", "summary")} for row in rows]


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (TEXT.encode(), "UTF-8"),
        (codecs.BOM_UTF8 + TEXT.encode(), "UTF-8"),
        (TEXT.encode("cp949"), "CP949"),
        (unicodedata.normalize("NFD", TEXT).encode(), "UTF-8"),
        (TEXT.replace("\n", "\r\n").replace("입니다.\r\n", "입니다.\n").encode(), "UTF-8"),
    ],
    ids=["utf-8", "bom", "cp949", "nfd", "crlf"],
)
def test_every_encoding_gives_the_same_rows(tmp_path: Path, raw: bytes, name: str) -> None:
    interviews = read_interviews(write(tmp_path / "a.csv", raw))
    assert texts(interviews.rows) == ROWS
    assert name in interviews.encoding and interviews.encoding in interviews.describe()


def test_header_is_trimmed_and_caseless_and_extra_columns_are_ignored(tmp_path: Path) -> None:
    content = "id, Summary ,ANSWER,Question\n7,요약,답,물음\n8,요약2,답2,물음2\n"
    interviews = read_interviews(write(tmp_path / "a.csv", content))
    assert texts(interviews.rows)[0] == {"question": "물음", "answer": "답", "summary": "요약"}
    assert set(interviews.rows.column_names) == {"question", "answer", "summary", "row"}


@pytest.mark.parametrize(
    "content",
    [
        ",question,answer,summary\n0,물음,답,요약\n1,물음2,답2,요약2\n",  # pandas' to_csv
        "question,answer,summary,\n물음,답,요약,\n물음2,답2,요약2,\n",  # Excel's empty column
        "\n\nquestion,answer,summary\n물음,답,요약\n물음2,답2,요약2\n",
        'question,answer,summary\n"물음",답,요약\n\n물음2,답2,요약2\n\n',
    ],
    ids=["index", "trailing comma", "blank lines first", "blank lines between"],
)
def test_what_other_programs_write(tmp_path: Path, content: str) -> None:
    interviews = read_interviews(write(tmp_path / "a.csv", content))
    assert texts(interviews.rows) == [
        {"question": "물음", "answer": "답", "summary": "요약"},
        {"question": "물음2", "answer": "답2", "summary": "요약2"},
    ]


def test_rows_with_an_empty_field_are_dropped_and_counted(tmp_path: Path) -> None:
    content = HEADER + "가,나,다\n가, ,다\n,나,다\n가,나\n라,마,바\n"
    interviews = read_interviews(write(tmp_path / "a.csv", content))
    assert interviews.dropped == 3 and "3" in interviews.describe()
    assert interviews.rows["row"][:] == [1, 5]


def test_an_edited_file_is_read_anew(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", HEADER + "가,나,다\n라,마,바\n")
    read_interviews(path)
    write(path, HEADER + "갸,나,다\n라,마,바\n")
    assert read_interviews(path).rows["question"][0] == "갸"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", ["빈 파일"]),
        (codecs.BOM_UTF8, ["빈 파일"]),
        ("question,answer\n가,나\n다,라\n".encode(), ["summary", "question, answer"]),
        ((HEADER + "가,나,다\n").encode(), ["1개", "2개 이상"]),
        (HEADER.encode(), ["0개"]),
        (HEADER.encode() + b"a,b,c\na,\xff\xff,c\n", ["3번째 줄", "UTF-8"]),
        ((HEADER + "가,나,다\n가,나,다,라,마\n").encode(), ["CSV"]),
        ((HEADER + '가,나,다\n가,"나,다\n').encode(), ["CSV"]),
        ((HEADER + '"가,나,다\n' + "가,나,다\n" * 20_000).encode(), ["CSV"]),
        ((HEADER + "가,나,다\n" * 2).encode("utf-16"), ["1번째 줄", "UTF-8"]),
        ((HEADER + "가,나\0,다\n").encode(), ["2번째 줄", "UTF-8"]),
        ((HEADER + "가,나,다\n가,나,").encode() + "다".encode("cp949") + b"\n", ["3번째 줄"]),
        ((HEADER + f"가,나,다\n가,{'나' * 200_000},다\n").encode(), ["3번째 줄", "131072"]),
        (HEADER.encode() + b"a,\xed\xa0\x80\x80,b\n", ["2번째 줄", "UTF-8"]),
        (b",,\n,,\n", ["summary"]),
        (b"question,answer,summary,answer\na,b,c,d\n", ["answer", "두 번"]),
    ],
    ids=[
        *("empty", "bom only", "column", "one row", "no row"),
        *("bytes", "ragged", "quote", "quote, long"),
        *("utf-16", "nul", "mixed", "huge", "surrogate", "commas", "twice"),
    ],
)
def test_bad_files_are_one_line(tmp_path: Path, content: bytes, words: list[str]) -> None:
    path = write(tmp_path / "bad.csv", content)
    with pytest.raises(UserError) as caught:
        read_interviews(path)
    message = str(caught.value)
    assert "\n" not in message and str(path) in message
    assert all(word in message for word in words), message


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="파일이 없습니다"):
        read_interviews(tmp_path / "none.csv")


@pytest.mark.parametrize(("rows", "validation"), [(2, 1), (99, 1), (250, 2), (3200, 32)])
def test_split_is_99_to_1_disjoint_and_repeatable(rows: int, validation: int) -> None:
    table = Dataset.from_dict({"row": list(range(rows))})
    train, held_out = split_interviews(table)
    assert len(held_out) == validation and len(train) == rows - validation
    assert sorted(train["row"][:] + held_out["row"][:]) == list(range(rows))
    assert split_interviews(table)[1]["row"][:] == held_out["row"][:]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.sampled_from("가나다라마바사"), min_size=2, max_size=400).filter(
        lambda questions: len(set(questions)) > 1
    )
)
def test_split_by_question_has_no_question_on_both_sides(questions: list[str]) -> None:
    table = Dataset.from_dict({"question": questions, "row": list(range(len(questions)))})
    train, held_out = split_interviews(table, by="question")
    assert set(train["question"]).isdisjoint(held_out["question"])
    assert sorted([*train["row"], *held_out["row"]]) == list(range(len(questions)))
    # About 1%, or where no question is that rare, the rarest one.
    rarest = min(Counter(questions).values())
    assert 1 <= len(held_out) <= max(1, round(len(questions) * 0.01), rarest) and len(train)
    assert split_interviews(table, by="question")[1]["row"][:] == held_out["row"][:]


def test_the_sample_is_split_by_question_into_as_many_rows() -> None:
    rows = read_interviews(SAMPLE_CSV).rows
    by_row, by_question = split_interviews(rows), split_interviews(rows, by="question")
    assert len(by_row[1]) == len(by_question[1]) == 41
    assert "41개 가운데 0개의 질문은" in describe_overlap(*by_question)
    twice = Dataset.from_dict({"question": ["가", "나"] * 50})
    assert re.search(r"[1-9]\d*개의 질문은", describe_overlap(*split_interviews(twice)))


def test_one_question_cannot_be_split() -> None:
    table = Dataset.from_dict({"question": ["가"] * 5})
    with pytest.raises(UserError, match="질문이 한 가지"):
        split_interviews(table, by="question")


def test_a_field_of_invisible_characters_is_empty(tmp_path: Path) -> None:
    invisible = "\u200b\u2060\ufeff"
    content = HEADER + f"가,{invisible},다\n가,나,다\n라,마,바\n"
    assert read_interviews(write(tmp_path / "a.csv", content)).dropped == 1


@settings(max_examples=100, deadline=None)
@given(
    rows=st.lists(
        st.tuples(*[st.text(st.characters(codec="utf-8", exclude_characters="\0"))] * 3),
        min_size=2,
        max_size=5,
    ),
    dialect=st.sampled_from(["excel", "unix"]),
)
def test_whatever_the_csv_module_writes_is_read(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str]], dialect: str
) -> None:
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, dialect).writerows([("question", "answer", "summary"), *rows])
    cleaned = [tuple(map(clean_text, row)) for row in rows]
    usable = [row for row in cleaned if all(row)]
    if len(usable) < 2:
        with pytest.raises(UserError, match="쓸 수 있는 행"):
            read_interviews(path)
        return
    interviews = read_interviews(path)
    assert [tuple(row[c] for c in COLUMNS) for row in interviews.rows] == usable
    assert interviews.dropped == len(rows) - len(usable)


def test_default_is_the_users_file_where_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert default_csv() == SAMPLE_CSV
    (tmp_path / "data").mkdir()
    write(tmp_path / "data" / "aihub_interview.csv", TEXT)
    assert default_csv().name == "aihub_interview.csv"


def test_aihubs_validation_rows_belong_to_its_training_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert default_validation(USER_CSV) is None
    (tmp_path / "data").mkdir()
    write(tmp_path / VALIDATION_CSV, TEXT)
    assert default_validation(USER_CSV) == VALIDATION_CSV
    assert default_validation(tmp_path / USER_CSV) == VALIDATION_CSV
    assert default_validation(Path("my.csv")) is default_validation(SAMPLE_CSV) is None
