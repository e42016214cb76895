"""Archives as AI Hub gives them, and hostile ones, of which nothing is written anywhere."""

import io
import json
import stat
import struct
import tracemalloc
import unicodedata
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.console import UserError
from data import archives
from data.archives import MAX_LABEL, Pieces, Unusable, find_sources, read_labels
from tests.data.aihub_tree import write_zip

NAME = "TL_01.Management_Female_Experienced.zip"


def contents(*paths: Path) -> dict[str, bytes | str]:
    """Every label under the paths by its name: the content, or the reason why there is none."""
    found: dict[str, bytes | str] = {}
    for source in find_sources(paths):
        for label in read_labels(source):
            name = Path(label.name).relative_to(paths[0].parent).as_posix()
            try:
                found[name] = label.read()
            except Unusable as reason:
                found[name] = str(reason)
    return found


def zipped(path: Path, members: Mapping[str, bytes], **changes: int) -> Path:
    """A zip whose entries have these attributes, which `zipfile` itself would not write."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = changes.pop("external_attr", 0)
            archive.writestr(info, content)
            for attribute, value in changes.items():  # in the central directory alone
                setattr(info, attribute, value)
    return path


def test_folders_zips_and_what_is_skipped(tmp_path: Path) -> None:
    top = tmp_path / "top"
    labels = top / "Training" / "02.라벨링데이터"
    write_zip(labels / NAME, {"/a.json": b"zip beside its folder"})
    (labels / "TL_01.Management_Female_Experienced" / "deep").mkdir(parents=True)
    (labels / "TL_01.Management_Female_Experienced" / "deep" / "a.json").write_bytes(b"1")
    write_zip(labels / "TL_02.zip", {"/b.json": b"2", "/b.wav": b"RIFF", "__MACOSX/._b.json": b""})
    (labels / "TL_02").mkdir()  # empty: the zip is what there is
    (labels / "._TL_02.zip").write_bytes(b"macOS")
    (labels / "TL_03.zip").symlink_to("nowhere")
    for form in ("NFC", "NFD"):  # as Windows and as macOS write Korean names
        audio = unicodedata.normalize(form, "01.원천데이터")
        write_zip(top / "Training" / audio / "a.zip", {"/audio.json": b"never read"})
    write_zip(labels / "TS_02.zip", {"/audio.json": b"never read"})
    assert contents(top) == {
        f"top/Training/02.라벨링데이터/{NAME.removesuffix('.zip')}/deep/a.json": b"1",
        "top/Training/02.라벨링데이터/TL_02.zip/b.json": b"2",
    }
    # A zip that is named is read, and what is named twice is read once.
    named = contents(labels / NAME, labels, labels / "TL_02.zip", top)
    assert sorted(named.values()) == [b"1", b"2", b"zip beside its folder"]


def test_audio_is_not_even_opened(tmp_path: Path) -> None:
    (tmp_path / "TS_01.Management_Female_New.zip").write_bytes(b"not a zip")
    (tmp_path / "VS_01.Management_Female_New.zip.part1073741824").write_bytes(b"no first piece")
    assert find_sources([tmp_path]) == []


@pytest.mark.parametrize("sizes", [[1], [1, 1], [100, 7, 300], [500]])
def test_pieces_are_joined_by_their_offset(tmp_path: Path, sizes: list[int]) -> None:
    write_zip(tmp_path / NAME, {f"/{i}.json": bytes([i]) * 300 for i in range(9)})
    whole = contents(tmp_path)
    raw = (tmp_path / NAME).read_bytes()
    (tmp_path / NAME).unlink()
    start = 0
    for size in [*sizes, len(raw)]:
        (tmp_path / f"{NAME}.part{start}").write_bytes(raw[start : start + size])
        start += size
    assert contents(tmp_path) == whole and len(whole) == 9
    # Any one piece stands for all of them.
    assert list(contents(tmp_path / f"{NAME}.part{sizes[0]}").values()) == list(whole.values())
    (tmp_path / NAME).write_bytes(raw)  # joined by hand, with the pieces left
    assert contents(tmp_path) == whole


@given(st.lists(st.binary(min_size=1, max_size=9), min_size=1, max_size=5), st.data())
@settings(deadline=None, max_examples=50)
def test_pieces_behave_as_the_file_that_they_make(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("pieces")
    paths = [folder / str(i) for i in range(len(pieces))]
    for path, piece in zip(paths, pieces, strict=True):
        path.write_bytes(piece)
    with Pieces(paths) as joined:
        true = io.BytesIO(b"".join(pieces))
        for _ in range(5):
            size = data.draw(st.integers(-1, 50))
            assert joined.read(size) == true.read(size) and joined.tell() == true.tell()
            whence = data.draw(st.sampled_from([0, 2]))
            offset = data.draw(st.integers(0, 50)) if whence == 0 else -data.draw(st.integers(0, 1))
            assert joined.seek(offset, whence) == true.seek(offset, whence)


@pytest.mark.parametrize("present", [["0", "20"], ["10"], ["0", "10", "25"]])
def test_a_missing_piece_is_named(tmp_path: Path, present: list[str]) -> None:
    for offset in present:  # of ten bytes each
        (tmp_path / f"{NAME}.part{offset}").write_bytes(b"x" * 10)
    with pytest.raises(UserError, match=rf"{NAME}: 조각이 빠졌거나") as caught:
        find_sources([tmp_path])
    assert all(f"part{offset}" in str(caught.value) for offset in present)


def test_names_in_cp949_and_in_utf_8_without_the_flag(tmp_path: Path) -> None:
    for encoding in ("cp949", "utf-8"):
        raw = "라벨/기록".encode(encoding)
        path = tmp_path / f"{encoding}.zip"
        write_zip(path, {f"{'@' * len(raw)}.json": b"{}"})
        path.write_bytes(path.read_bytes().replace(b"@" * len(raw), raw))
        with zipfile.ZipFile(path) as archive:  # the control: no flag, so zipfile reads CP437
            assert "라벨" not in archive.namelist()[0]
    assert contents(tmp_path) == {
        f"{tmp_path.name}/{encoding}.zip/라벨/기록.json": b"{}" for encoding in ("cp949", "utf-8")
    }


@pytest.mark.parametrize("path", ["none", "file.csv"])
def test_what_is_neither_folder_nor_zip_is_named(tmp_path: Path, path: str) -> None:
    (tmp_path / "file.csv").touch()
    with pytest.raises(UserError, match=f"{path}: 폴더도 zip도"):
        find_sources([tmp_path / path])


def test_what_cannot_be_read_is_left_out_with_its_reason(tmp_path: Path) -> None:
    link = (stat.S_IFLNK | 0o777) << 16
    zipped(tmp_path / "link.zip", {"a.json": b"/etc/passwd"}, external_attr=link)
    zipped(tmp_path / "up.zip", {"../../a.json": b"{}", "x\\..\\b.json": b"{}"})
    zipped(tmp_path / "secret.zip", {"a.json": b"{}"}, flag_bits=1)
    zipped(tmp_path / "inner.zip", {"TL_01.zip": b"{}", "VL_01.zip.part0": b"{}"})
    zipped(tmp_path / "large.zip", {"a.json": b" " * (MAX_LABEL + 1), "b.json": b" " * MAX_LABEL})
    with zipfile.ZipFile(tmp_path / "bzip2.zip", "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("a.json", b"{}")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.json").write_bytes(b" " * (MAX_LABEL + 1))
    (tmp_path / "folder" / "b.json").mkdir()
    before = sorted(tmp_path.parent.rglob("*"))
    found = {name.split("/", 1)[1]: what for name, what in contents(tmp_path).items()}
    assert found.pop("large.zip/b.json") == b" " * MAX_LABEL
    assert found == {
        "link.zip/a.json": "링크",
        "up.zip/../../a.json": "이름에 ..이 있음",
        "up.zip/x/../b.json": "이름에 ..이 있음",
        "secret.zip/a.json": "암호가 걸림",
        "inner.zip/TL_01.zip": "zip 안의 zip: 먼저 푸세요",
        "inner.zip/VL_01.zip.part0": "zip 안의 zip: 먼저 푸세요",
        "large.zip/a.json": "128 KiB보다 큼",
        "bzip2.zip/a.json": "압축 방식 12번",
        "folder/a.json": "128 KiB보다 큼",
        "folder/b.json": "파일이 아님",
    }
    assert sorted(tmp_path.parent.rglob("*")) == before


def test_a_bomb_that_lies_about_its_size_costs_no_memory(tmp_path: Path) -> None:
    path = zipped(tmp_path / "bomb.zip", {"a.json": b" " * 2**28}, file_size=100)
    assert path.stat().st_size < 2**19
    tracemalloc.start()
    with pytest.raises(UserError, match=r"bomb\.zip: 잘렸거나 손상"):
        contents(path)
    assert tracemalloc.get_traced_memory()[1] < 2**24
    tracemalloc.stop()


def test_a_zip_that_is_too_much_in_all_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = zipped(tmp_path / "a.zip", {f"{i}.json": b"x" * 1000 for i in range(10)})
    monkeypatch.setattr(archives, "MAX_LABELS", 10_000)
    assert len(contents(path)) == 10
    monkeypatch.setattr(archives, "MAX_LABELS", 9_999)
    with pytest.raises(UserError, match=r"a\.zip: 풀면"):
        contents(path)


def test_a_million_entries_are_refused_before_an_object_is_made_of_each(tmp_path: Path) -> None:
    """The central directory, which alone says what a zip holds, is 10^6 times the same entry."""
    path = zipped(tmp_path / "a.zip", {"a.json": b"{}"})
    raw = path.read_bytes()
    start = raw.index(b"PK\1\2")
    entry, end = raw[start : raw.index(b"PK\5\6")], raw[raw.index(b"PK\5\6") :]
    many = 10**6
    size = struct.pack("<HHL", 0xFFFF, 0xFFFF, len(entry) * many)
    path.write_bytes(raw[:start] + entry * many + end[:8] + size + end[16:])
    tracemalloc.start()
    with pytest.raises(UserError, match=r"a\.zip: .*파일이 너무 많음"):
        contents(path)
    assert tracemalloc.get_traced_memory()[1] < 2**24
    tracemalloc.stop()


def test_a_zip_cut_anywhere_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / NAME
    write_zip(path, {f"/{i}.json": json.dumps([i] * 50).encode() for i in range(3)})
    raw = path.read_bytes()
    for length in range(0, len(raw), 7):
        path.write_bytes(raw[:length])
        with pytest.raises(UserError, match="잘렸거나 손상"):
            contents(path)


@given(st.data())
@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])
def test_a_zip_with_any_bytes_changed_is_read_or_is_one_line(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("fuzz") / NAME
    write_zip(path, {f"/{i}.json": json.dumps([i] * 50).encode() for i in range(3)})
    raw = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(raw)
    try:
        contents(path)
    except UserError as error:
        assert NAME in str(error)
