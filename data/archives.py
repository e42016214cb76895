"""The label files of an AI Hub download, read where they lie: in folders, zips, zips in pieces.

Nothing is unpacked, so no name in an archive ever becomes a path that is written to. What may be
read is bounded before it is read, whatever the headers of an archive say.
"""

import io
import os
import re
import stat
import struct
import unicodedata
import zipfile
import zlib
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from pathlib import Path

from common.console import UserError

MAX_LABEL = 128 * 1024  # bytes of a label file; AI Hub's have about 3,000
MAX_LABELS = 2**30  # bytes of all label files in a zip; the whole set has some 200 million
MAX_LISTING = 16 * 2**20  # bytes of a zip's list of members; 76,000 take about 6 million

# AI Hub's downloader leaves pieces: NAME.zip.part0, NAME.zip.part1073741824, ... by byte offset.
ZIP = re.compile(r"(?P<name>[^.].*\.zip)(\.part(?P<offset>\d+))?", re.IGNORECASE)
# What `zipfile` raises for a file that is cut short or is not a zip, besides its own errors.
DAMAGE = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, RuntimeError)


class Unusable(Exception):
    """A label file is left out. The message is the reason, in Korean."""


@dataclass(frozen=True)
class Source:
    """A folder that holds label files, or a zip: its one file, or its pieces in their order."""

    path: Path
    pieces: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Label:
    """A label file: where it is, and a function that returns its content or raises `Unusable`."""

    name: str
    read: Callable[[], bytes]


def find_sources(paths: Sequence[Path]) -> list[Source]:
    """The folders with label files and the zips that `paths` name or contain, each of them once.

    Left out are zips beside a folder that they were unpacked to, audio, and links to folders.

    Raises:
        UserError: a path is neither a folder nor a zip, or a zip lacks a piece.
    """
    found: dict[str, Source] = {}
    for path in paths:
        if path.is_dir():
            sources = list(_sources_under(path))
        elif path.is_file() and (match := ZIP.fullmatch(path.name)):
            siblings = os.listdir(path.parent) if match["offset"] else [path.name]
            sources = [s for s in _zips(path.parent, siblings) if s.path.name == match["name"]]
        else:
            raise UserError(f"{path}: 폴더도 zip도 아닙니다. AI Hub에서 받은 폴더를 주세요.")
        found |= {os.path.abspath(source.path): source for source in sources}
    return list(found.values())


def _sources_under(top: Path) -> Iterator[Source]:
    for name, folders, files in os.walk(top, onerror=_refuse):
        folder = Path(name)
        folders[:] = sorted(name for name in folders if not is_audio(name))
        if any(map(is_label, files)):
            yield Source(folder)
        for source in _zips(folder, files):
            unpacked = os.walk(source.path.with_suffix(""))
            if not any(is_label(name) for _, _, inside in unpacked for name in inside):
                yield source


def _refuse(error: OSError) -> None:
    raise error  # of a folder that may not be read, which os.walk would skip in silence


def _zips(folder: Path, files: Sequence[str]) -> Iterator[Source]:
    """The zips among the files of a folder, each with its pieces unless it is there as a whole."""
    pieces: dict[str, dict[int, Path]] = {}  # by the name of the zip and the offset
    for match in filter(None, map(ZIP.fullmatch, sorted(files))):
        path, offset = folder / match.string, int(match["offset"] or 0)
        if path.is_file() and not is_audio(match["name"]):
            pieces.setdefault(match["name"], {}).setdefault(offset, path)
    for name, by_offset in pieces.items():
        if name in files:
            yield Source(folder / name, (folder / name,))
            continue
        paths = [by_offset[offset] for offset in sorted(by_offset)]
        sizes = [path.stat().st_size for path in paths]
        if sorted(by_offset) != [0, *accumulate(sizes[:-1])]:
            raise UserError(
                f"{folder / name}: 조각이 빠졌거나 잘렸습니다 (있는 조각: "
                f"{', '.join(path.name for path in paths)}). 이 파일을 다시 받으세요."
            )
        yield Source(folder / name, tuple(paths))


def is_audio(name: str) -> bool:
    """Whether a folder or zip of this name holds audio."""
    name = unicodedata.normalize("NFC", name)  # macOS spells Korean names in NFD
    return name.startswith(("TS_", "VS_")) or name.endswith("원천데이터")


def is_label(name: str) -> bool:
    """Whether a file name is that of a label file. macOS adds hidden `._NAME.json` files."""
    return name.lower().endswith(".json") and not name.startswith(".")


def base_name(name: str) -> str:
    """The part of a member's name after the last folder."""
    return name.rpartition("/")[2]


def read_labels(source: Source) -> Iterator[Label]:
    """The label files of a source, each to be read before the next one is asked for.

    Raises:
        UserError: a zip is damaged, or holds more than any archive of AI Hub's.
    """
    if not source.pieces:
        for path in sorted(path for path in source.path.iterdir() if is_label(path.name)):
            yield Label(str(path), partial(_read_file, path))
        return
    with Pieces(source.pieces) as file:
        with damage_told(source.path):
            archive = zipfile.ZipFile(file)
        sizes = [member.file_size for member in archive.infolist()]
        if sum(size for size in sizes if size <= MAX_LABEL) > MAX_LABELS:
            raise UserError(
                f"{source.path}: 풀면 {MAX_LABELS // 2**30} GiB가 넘는 zip입니다. "
                "AI Hub에서 받은 파일인지 확인하세요."
            )
        for member in archive.infolist():
            name = member_name(member)
            if is_label(base_name(name)) or ZIP.fullmatch(base_name(name)):
                read = partial(_read_member, source.path, archive, member)
                yield Label(f"{source.path}/{name.lstrip('/')}", read)


def _read_file(path: Path) -> bytes:
    if not path.is_file():
        raise Unusable("파일이 아님")
    with path.open("rb") as file:
        content = file.read(MAX_LABEL + 1)
    if len(content) > MAX_LABEL:
        raise Unusable(f"{MAX_LABEL // 1024} KiB보다 큼")
    return content


def _read_member(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    name = member_name(member)
    if ZIP.fullmatch(base_name(name)):
        raise Unusable("zip 안의 zip: 먼저 푸세요")
    if stat.S_ISLNK(member.external_attr >> 16):
        raise Unusable("링크")
    if ".." in name.split("/"):
        raise Unusable("이름에 ..이 있음")
    if member.flag_bits & 0x1:
        raise Unusable("암호가 걸림")
    if member.file_size > MAX_LABEL:
        raise Unusable(f"{MAX_LABEL // 1024} KiB보다 큼")
    # Of zipfile's methods, only these two can be decompressed up to a given size.
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise Unusable(f"압축 방식 {member.compress_type}번")
    with damage_told(path), archive.open(member) as file:
        return file.read(member.file_size)


def member_name(member: zipfile.ZipInfo) -> str:
    """The name of a member with "/" between folders.

    Names without the flag of UTF-8 are UTF-8 nevertheless or, from Korean Windows, CP949; zipfile
    reads them as CP437, in which every byte is a character.
    """
    name = member.orig_filename
    if not member.flag_bits & 0x800:
        raw = name.encode("cp437")
        try:
            name = raw.decode("utf-8")
        except UnicodeDecodeError:
            name = raw.decode("cp949", errors="replace")
    return name.replace("\\", "/")


@contextmanager
def damage_told(path: Path) -> Iterator[None]:
    """Raise a `UserError` that names the zip for whatever a damaged one makes `zipfile` raise."""
    try:
        yield
    except DAMAGE as error:
        raise UserError(
            f"{path}: 잘렸거나 손상되어 읽을 수 없는 zip입니다 ({error}). AI Hub에서 다시 받으세요."
        ) from error


class Pieces(io.RawIOBase):
    """The pieces of a file as one file that can be read and seeked, which is what zipfile needs."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.files = [path.open("rb") for path in paths]
        self.starts = [0, *accumulate(path.stat().st_size for path in paths)]
        self.position = 0

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self.position = offset + (0, self.position, self.starts[-1])[whence]
        if self.position < 0:
            raise io.UnsupportedOperation("negative position")  # an OSError, too
        return self.position

    def read(self, size: int = -1) -> bytes:
        rest = max(0, self.starts[-1] - self.position)
        size = rest if size < 0 else min(size, rest)
        # zipfile reads the list of members at once, and makes an object of each.
        if size > MAX_LISTING:
            raise zipfile.BadZipFile("파일이 너무 많음")
        content = b""
        while len(content) < size:
            index = bisect_right(self.starts, self.position) - 1
            self.files[index].seek(self.position - self.starts[index])
            read = self.files[index].read(size - len(content))
            if not read:
                raise EOFError("the file has become shorter")
            content += read
            self.position += len(read)
        return content

    def close(self) -> None:
        for file in self.files:
            file.close()
        super().close()
