"""Which files a path means, and their lines, decoded as a stream.

Nothing is ever unpacked to disk, and no file is held whole: a line is the largest thing in memory.
"""

import codecs
import contextlib
import lzma
import re
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from yuhee.data.corpora.text_file import find_file
from yuhee.errors import UserError

LONGEST_LINE = 1 << 20  # bytes in UTF-8
LARGEST_ARCHIVE, LARGEST_DENSE, HIGHEST_RATIO = 2 << 30, 64 << 20, 200
_BLOCK = 1 << 18
_EXPORTS = (".txt", ".csv")
_BROKEN_ZIP: tuple[type[Exception], ...] = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError)
# `…-2.txt` is a part, `2022-03-02.txt` is not
_PART = re.compile(r"(.+)(?<!\d{4}-\d)(?<!\d{4}-\d\d)-\d{1,3}\.txt", re.IGNORECASE | re.ASCII)
_LINE = re.compile(r"([^\r\n]*)(\r\n|\n|\r|)")
_DIGITS = re.compile(r"(\d+)", re.ASCII)

# Stand for a line that cannot be read; no other line holds a NUL.
TOO_LONG, HAS_NUL = "\0long", "\0nul"
UNREADABLE = {
    TOO_LONG: "한 줄이 1 MiB를 넘어 뺐습니다",
    HAS_NUL: "널 문자가 들어 있어 뺐습니다",
}


@dataclass(frozen=True)
class Source:
    """One text: a file or a member of a zip. `where` is for messages to the user only; `name` has folders in it."""

    where: str
    name: str
    open: Callable[[], IO[bytes]]

    def lines(self, encoding: str) -> Iterator[tuple[str, bool]]:
        """Each line without its end, and whether that end is a bare LF (mobile exports end records with CRLF).

        A line over 1 MiB or with a NUL is one of `UNREADABLE`. Lines end at CRLF, LF and CR only.

        Raises:
            UnicodeDecodeError: the bytes are not in this encoding.
            UserError: the file cannot be read.
        """
        with _told(self.where), self.open() as stream:
            yield from _lines(_blocks(stream, encoding))

    def encodings(self) -> tuple[str, ...]:
        """The encodings to try, in order.

        Raises:
            UserError: the file cannot be read, is empty or is filled with NUL.
        """
        with _told(self.where), self.open() as stream:
            head = stream.read(_BLOCK)
        if not head:
            raise UserError(f"{self.where}: 파일이 비어 있으니 다시 내보내 주세요.")
        utf16 = head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        if not utf16 and head.count(0) * 2 > len(head):
            raise UserError(f"{self.where}: 글이 아니라 널 문자로 채워진 파일이니 다시 내보내 주세요.")
        return ("utf-16",) if utf16 else ("utf-8-sig", "cp949")


@contextlib.contextmanager
def _told(where: Path | str, *errors: type[Exception]) -> Iterator[None]:
    """What is wrong with the bytes of a file, as a sentence. `errors`: others that mean a broken zip here."""
    try:
        yield
    except _BROKEN_ZIP + errors:
        raise UserError(f"{where}: 압축이 깨져 있으니 다시 내보낸 zip을 지정해 주세요.") from None
    except OSError as error:
        reason = error.strerror or "압축이나 디스크의 오류"
        raise UserError(f"{where}: 읽을 수 없으니({reason}) 파일을 확인해 주세요.") from None


def _blocks(stream: IO[bytes], encoding: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(encoding)()
    while data := stream.read(_BLOCK):
        yield decoder.decode(data)
    yield decoder.decode(b"", final=True)


def _lines(blocks: Iterator[str]) -> Iterator[tuple[str, bool]]:
    rest, too_long = "", False
    for block in blocks:
        text = rest + block if rest else block
        cut = max(text.rfind("\n"), text.rfind("\r", 0, -1)) + 1  # a CR at the end may be half a CRLF
        if not cut:
            rest = text
        else:
            rest = text[cut:]
            lines = _split(text[:cut])
            first, bare = lines[0]
            if too_long or _is_long(first):  # no other can be: they began in this block
                lines[0] = TOO_LONG, bare
            yield from lines
            too_long = False
        if len(rest) > LONGEST_LINE + 1:  # it may hold the first half of a CRLF
            rest, too_long = "\r" if rest.endswith("\r") else "", True
    if rest or too_long:
        yield from ((TOO_LONG if too_long or _is_long(line) else line, bare) for line, bare in _split(rest or "\r"))


def _is_long(line: str) -> bool:
    return len(line) > LONGEST_LINE // 4 and len(line.encode()) > LONGEST_LINE


def _split(text: str) -> list[tuple[str, bool]]:
    """Text that ends with a line (or with the file) to lines, the usual kinds of text in one go."""
    if "\0" in text or text.count("\r") != text.count("\r\n") or not text.endswith("\n"):
        return [(HAS_NUL if "\0" in line else line, end == "\n") for line, end in _LINE.findall(text) if line or end]
    if text.count("\r\n") == text.count("\n"):
        return [(line, False) for line in text[:-2].split("\r\n")]
    return [(line, True) if line[-1:] != "\r" else (line[:-1], False) for line in text[:-1].split("\n")]


def find_exports(paths: str | Sequence[str]) -> list[list[Source]]:
    """The exports that paths name: files, folders of .txt, .csv and .zip files, and zip archives.

    Returns:
        Exports, each a list of its parts: `…-1.txt`, `…-2.txt` of iOS are one, in the order of their numbers.

    Raises:
        UserError: nothing there, or an archive that is encrypted, broken or absurdly large.
    """
    sources: list[Source] = []
    for path in dict.fromkeys([paths] if isinstance(paths, str) else paths):
        sources += _in_folder(Path(path)) or _in_file(find_file(Path(path)))
    exports: dict[str, list[Source]] = {}
    for source in sorted(sources, key=lambda source: _in_number_order(source.name)):
        found = _PART.fullmatch(source.name)
        exports.setdefault(found[1] if found else source.name, []).append(source)
    return list(exports.values())


def _in_number_order(name: str) -> list[tuple[int, str]]:
    """2 before 10. A part's number comes last in its name, so it decides among the parts of one export."""
    return [(int(piece), "") if piece.isdecimal() and piece.isascii() else (-1, piece) for piece in _DIGITS.split(name)]


def _in_folder(folder: Path) -> list[Source]:
    try:
        folder = folder.expanduser()
        if not folder.is_dir():
            return []
        files = [f for f in folder.iterdir() if f.suffix.lower() in (*_EXPORTS, ".zip") and not f.name.startswith(".")]
        files = [file for file in files if file.is_file()]
    except (OSError, ValueError, RuntimeError):  # a name that no folder, or a home that nobody has
        return []
    if not files:
        raise UserError(
            f"{folder}: 폴더에 카카오톡에서 내보낸 .txt, .csv, .zip 파일이 없으니 data.path를 확인해 주세요."
        )
    return [source for file in files for source in _in_file(file)]


def _in_file(file: Path) -> list[Source]:
    with _told(file), file.open("rb") as stream:
        is_zip = stream.read(4) == b"PK\x03\x04"
    if not is_zip:
        return [Source(str(file), unicodedata.normalize("NFC", str(file)), lambda: file.open("rb"))]
    with _told(file, ValueError), zipfile.ZipFile(file) as archive:
        members = [info for info in archive.infolist() if _is_export(info)]
    _refuse_bombs(file, members)
    return [Source(str(file), f"{file}/{member.filename}", lambda m=member: _open(file, m)) for member in members]  # type: ignore[misc]


def _is_export(info: zipfile.ZipInfo) -> bool:
    path = PurePosixPath(info.filename)
    macos = "__MACOSX" in path.parts or path.name.startswith("._")
    return not info.is_dir() and path.suffix.lower() in _EXPORTS and not macos


def _refuse_bombs(file: Path, members: list[zipfile.ZipInfo]) -> None:
    if not members:
        raise UserError(f"{file}: zip 안에 .txt나 .csv 파일이 없으니 data.path를 확인해 주세요.")
    if any(member.flag_bits & 1 for member in members):
        raise UserError(f"{file}: 암호가 걸린 zip이니 암호를 풀어 압축한 파일을 지정해 주세요.")
    dense = any(m.file_size > LARGEST_DENSE and m.file_size > HIGHEST_RATIO * m.compress_size for m in members)
    if dense or sum(member.file_size for member in members) > LARGEST_ARCHIVE:
        raise UserError(
            f"{file}: 풀면 지나치게 커지는 zip(압축 폭탄)으로 보이니 대화만 다시 내보내 압축한 파일을 지정해 주세요."
        )


def _open(file: Path, member: zipfile.ZipInfo) -> IO[bytes]:
    """The member as a stream: never more bytes than its entry announces, and its CRC is checked at the end."""
    with zipfile.ZipFile(file) as archive:  # an open member keeps the file open
        return archive.open(member)
