import csv
import json
import os
import re
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from common.console import UserError
from data import aihub
from data.__main__ import main
from data.aihub import DO_NOT_PUBLISH, import_aihub, to_row
from data.archives import Unusable
from data.interviews import COLUMNS, read_interviews
from tests.data.aihub_tree import LABELS, TOP, build, label, label_bytes, write_zip

TEXTS = ("지원 동기는?", "음, 저는 물류가 좋아서요.", "물류가 좋아 지원함.")


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def write_labels(tmp_path: Path, part: str, *contents: bytes, name: str = "TL_01") -> Path:
    """A folder of unpacked labels in AI Hub's place for them."""
    folder = tmp_path / TOP / part / LABELS / name
    folder.mkdir(parents=True, exist_ok=True)
    for i, content in enumerate(contents):
        (folder / f"ckmk_d_bm_f_n_{i:06}.json").write_bytes(content)
    return tmp_path / TOP.parts[0]


def test_a_whole_download(tmp_path: Path) -> None:
    found = import_aihub([build(tmp_path, 252)], tmp_path / "out")
    train = rows_of(tmp_path / "out" / "aihub_interview.csv")
    validation = rows_of(tmp_path / "out" / "aihub_validation.csv")
    assert len(train) == 224 and len(validation) == 28 and not found.dropped
    assert {row["occupation"] for row in train} == {"BM", "SM", "PS", "RND", "ICT", "ARD", "MM"}
    assert {row["gender"] for row in train} == {"FEMALE", "MALE"}
    assert {row["experience"] for row in train} == {"EXPERIENCED", "NEW"}
    assert re.search(r"정보통신 +\| 32 +\| 4 ", found.describe())
    assert re.search(r"모두 +\| 224 +\| 28 ", found.describe())
    # No record is lost, doubled or mixed up: its number is in its answer, in a line of its own.
    numbers = [int(re.findall(r"\n제 번호는 (\d+)번", row["answer"])[0]) for row in train]
    held_out = [int(re.findall(r"\n제 번호는 (\d+)번", row["answer"])[0]) for row in validation]
    assert sorted([*numbers, *held_out]) == list(range(252))
    assert {number % 9 for number in held_out} == {8}
    # Training reads the same texts; the further columns do not disturb it.
    read = read_interviews(tmp_path / "out" / "aihub_interview.csv")
    assert [tuple(row[c] for c in COLUMNS) for row in read.rows] == [
        tuple(row[c] for c in COLUMNS) for row in train
    ]


def test_the_bytes_are_the_same_for_zips_pieces_and_folders(tmp_path: Path) -> None:
    top = build(tmp_path, 252)
    import_aihub([top], tmp_path / "zips")
    for path in sorted(top.rglob("TL_*.zip")):
        raw = path.read_bytes()
        half = len(raw) // 2
        path.with_name(f"{path.name}.part0").write_bytes(raw[:half])
        path.with_name(f"{path.name}.part{half}").write_bytes(raw[half:])
        path.unlink()
    for path in sorted(top.rglob("VL_*.zip")):
        with zipfile.ZipFile(path) as archive:
            archive.extractall(path.with_suffix(""))
        path.write_bytes(b"skipped, for its folder is there")
    import_aihub([top], tmp_path / "others")
    for name in ("aihub_interview.csv", "aihub_validation.csv"):
        first, second = ((tmp_path / way / name).read_bytes() for way in ("zips", "others"))
        assert first == second and len(first) > 1000


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("Training/TL_01.zip", "Training"),
        ("Validation/labels.zip", "Validation"),
        ("VL_02.RND_Male_New.zip", "Validation"),
        ("Training/x/Validation/y/labels.zip", "Validation"),  # the innermost name counts
        ("Training/VL_01.zip", "Validation"),
        ("labels.zip", None),
    ],
)
def test_the_part_is_told_by_the_innermost_name(
    tmp_path: Path, path: str, part: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_zip(tmp_path / path, {"/ckmk_d_bm_f_n_1.json": label_bytes(label(*TEXTS))})
    monkeypatch.chdir((tmp_path / path).parent)
    for given in (tmp_path, Path(), Path(Path(path).name)):  # absolute, here, by its name
        out = tmp_path / f"out {given.name}"
        if part is None:
            with pytest.raises(UserError, match="Training인지 Validation인지"):
                import_aihub([given], out)
        else:
            assert set(import_aihub([given], out).rows) == {(part, "경영·사무")}
            assert len(list(out.iterdir())) == 1


def test_the_part_may_be_told_inside_a_zip(tmp_path: Path) -> None:
    content = label_bytes(label(*TEXTS)), label_bytes(label("왜?", *TEXTS[1:]))
    inside = {f"{TOP}/{part}/{LABELS}/a.json" for part in ("Training", "Validation")}
    write_zip(tmp_path / "all.zip", dict(zip(sorted(inside), content, strict=True)))
    found = import_aihub([tmp_path / "all.zip"], tmp_path)
    assert {part for part, _ in found.rows} == {"Training", "Validation"}


def test_a_record_as_aihub_writes_it() -> None:
    record = label("가", "나\n다", "라", occupation="MM", gender="MALE", experience="NEW")
    raw = label_bytes(record)
    assert raw.startswith(b"\xef\xbb\xbf") and "나\n다".encode() in raw
    with pytest.raises(json.JSONDecodeError):  # the control: a strict reader loses this record
        json.loads(raw)
    assert to_row(raw) == {
        **{"question": "가", "answer": "나\n다", "summary": "라"},
        **{"occupation": "MM", "gender": "MALE", "experience": "NEW"},
    }
    # Control characters, NFD and lone surrogates are cleaned as those of any CSV are.
    odd = label("\uac00\x01", "\u1102\u1161\x00", "라\ud800", occupation="")
    raw = json.dumps(odd).replace("\\u0001", "\x01").encode()
    assert to_row(raw) == {
        **{"question": "가", "answer": "나", "summary": "라"},
        **{"occupation": "", "gender": "FEMALE", "experience": "NEW"},
    }


def without(key: str) -> dict[str, Any]:
    record = label(*TEXTS)
    del record["dataSet"][key]
    return record


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "JSON"),
        (b"{", "JSON"),
        (b"\xff\xfe\x00", "JSON"),
        (b"[" * 100_000, "JSON"),
        (b"1" * 10_000, "JSON"),
        (b"[]", "제자리"),
        (b"{}", "제자리"),
        (b'{"dataSet": 1}', "제자리"),
        *((json.dumps(without(key)).encode(), "제자리") for key in ("question", "answer", "info")),
        (json.dumps(label("", *TEXTS[1:])).encode(), "빈"),
        (json.dumps(label(*TEXTS[:2], "\u200b ")).encode(), "빈"),
    ],
)
def test_what_is_not_a_record_has_a_reason(content: bytes, reason: str) -> None:
    with pytest.raises(Unusable, match=reason):
        to_row(content)


@pytest.mark.parametrize("value", [None, 3, ["목록"], {"text": "글"}, True])
def test_a_text_that_is_no_text_is_empty(value: Any) -> None:
    record = label(*TEXTS)
    record["dataSet"]["answer"]["summary"]["text"] = value
    with pytest.raises(Unusable, match="빈"):
        to_row(json.dumps(record).encode())


def test_what_was_dropped_and_why(tmp_path: Path) -> None:
    good, empty = label_bytes(label(*TEXTS)), label_bytes(label(TEXTS[0], "", TEXTS[2]))
    top = write_labels(tmp_path, "Training", good, b"{", empty, b"[", good)
    write_labels(tmp_path, "Validation", good, name="VL_01")  # in training already
    found = import_aihub([top], tmp_path)
    assert sorted(found.dropped.values()) == [1, 2, 2]
    told = found.describe()
    assert re.search(r"2개: JSON으로 읽을 수 없음 \(처음: .*000001\.json\)", told)
    assert re.search(r"1개: 질문, 답변, 요약 가운데 빈 것이 있음 \(처음: .*000002\.json\)", told)
    assert re.search(r"2개: 같은 질문, 답변, 요약이 이미 있음", told)
    assert len(rows_of(tmp_path / "aihub_interview.csv")) == 1
    assert not (tmp_path / "aihub_validation.csv").exists()


@pytest.mark.parametrize("name", ["aihub_interview.csv", "aihub_validation.csv"])
def test_a_file_that_is_there_is_not_overwritten(tmp_path: Path, name: str) -> None:
    top = write_labels(tmp_path, "Training", label_bytes(label(*TEXTS)))
    (tmp_path / name).write_text("mine")
    with pytest.raises(UserError, match=f"{name}: 이미 있습니다"):
        import_aihub([top], tmp_path)
    assert (tmp_path / name).read_text() == "mine"


@pytest.mark.parametrize("when", ["opening", "reading", "killed"])
def test_an_import_that_fails_leaves_nothing(
    tmp_path: Path, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    top = build(tmp_path, 252)
    last = max(top.rglob("VL_*.zip"))
    raw = bytearray(last.read_bytes())
    error: type[BaseException] = UserError
    if when == "opening":
        raw = raw[:-30]
    elif when == "reading":  # the list of members is whole, the data of one is not
        raw[60] ^= 0xFF
    else:
        error = KeyboardInterrupt
        real = aihub.to_row

        def interrupted(content: bytes) -> dict[str, str]:
            if "번호는 50번".encode() in content:
                raise KeyboardInterrupt
            return real(content)

        monkeypatch.setattr(aihub, "to_row", interrupted)
    last.write_bytes(raw)
    with pytest.raises(error, match=last.name if error is UserError else None):
        import_aihub([top], tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    top = build(tmp_path, 30)
    words = ["data", "aihub", *map(str, (top, top / "01-1.정식개방데이터"))]
    monkeypatch.setattr(sys, "argv", [*words, "--output-dir", str(tmp_path / "out")])
    main()
    out = capsys.readouterr().out
    assert DO_NOT_PUBLISH in out and "| 모두 " in out
    assert all(str(tmp_path / "out" / name) in out for name in os.listdir(tmp_path / "out"))
    monkeypatch.setattr(sys, "argv", ["data", "aihub"])
    with pytest.raises(UserError, match="paths"):
        main()


def test_git_ignores_what_an_import_writes_and_what_a_killed_one_leaves() -> None:
    ignored = (Path(__file__).parents[2] / ".gitignore").read_text().splitlines()
    assert {"data/aihub_*.csv", "data/.aihub_*"} <= set(ignored)
