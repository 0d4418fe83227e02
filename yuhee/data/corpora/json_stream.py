"""Text files as streams of lines and of JSON records, in bounded memory and with every record numbered.

A JSON array holds its records as elements, numbered from 1; anything else is JSON lines, numbered by line. Raw control
characters inside strings are accepted (`strict=False`), as real files have them.
"""

import codecs
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from yuhee.data.report import ReadReport
from yuhee.errors import UserError

MAX_LINE = 64 * 2**20  # bytes in UTF-8; a longer line is reported, never held
MAX_WHOLE = 2**28  # bytes of a JSON array, which is loaded whole
PIECE = 2**20  # characters or bytes read at a time

_DECODER = json.JSONDecoder(strict=False)
_SPACE = re.compile(r"[ \t\n\r,]*")  # a comma too many or too few between elements tells nothing


def find_encoding(file: Path) -> str:
    """UTF-8 (with or without BOM), UTF-16 (with BOM) or cp949, found without holding the file.

    Raises:
        UserError: the file is empty, filled with NUL, unreadable or in none of these encodings.
    """
    try:
        with file.open("rb") as stream:
            head = stream.read(2)
            if head.startswith(b"\0"):
                raise UserError(f"{file}: NUL로 채워진 깨진 파일입니다. 원본을 다시 받거나 UTF-8로 저장해 주세요.")
            utf16 = head in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
            for encoding in ("utf-16",) if utf16 else ("utf-8-sig", "cp949"):
                stream.seek(0)
                try:
                    filled = _holds_text(stream, encoding)
                except UnicodeDecodeError:
                    continue
                if not filled:
                    raise UserError(f"{file}: 파일이 비어 있습니다. 글이 든 파일을 지정해 주세요.")
                return encoding
    except OSError as error:
        raise UserError(f"{file}: 읽을 수 없습니다({error.strerror}). 파일의 권한을 확인해 주세요.") from None
    raise UserError(f"{file}: UTF-8도 UTF-16도 cp949도 아닙니다. UTF-8로 저장한 뒤 다시 시도해 주세요.")


def _holds_text(stream: BinaryIO, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    filled = False
    while piece := stream.read(PIECE):
        filled |= bool(decoder.decode(piece).strip())
    decoder.decode(b"", final=True)
    return filled


def read_lines(stream: TextIO) -> Iterator[str | None]:
    """Lines without their break (CRLF, LF or CR); None for a line over `MAX_LINE` bytes."""
    pieces: list[str] = []
    size = 0
    while piece := stream.readline(PIECE):
        size += len(piece.encode())
        if size <= MAX_LINE:
            pieces.append(piece)
        else:
            pieces.clear()
        if piece.endswith("\n"):
            yield "".join(pieces)[:-1] if size <= MAX_LINE else None
            pieces, size = [], 0
    if size:
        yield "".join(pieces) if size <= MAX_LINE else None


def too_long() -> str:
    return f"한 줄이 {MAX_LINE // 2**20} MiB를 넘습니다"


def read_records(file: Path, report: ReadReport, where: str = "") -> Iterator[tuple[int, Any]]:
    """Yield `(number, value)` of each record; count the records and report those that are no JSON.

    Args:
        file: a JSON array, JSON lines, or one object over several lines.
        report: gets the encoding, `lines`, blank lines as a kind, and the broken records.
        where: begins each reason, to name the file where there are several.

    Raises:
        UserError: no text in the file, or an array over `MAX_WHOLE` bytes.
    """
    report.encoding = find_encoding(file)
    with file.open(encoding=report.encoding) as stream:
        first = next((line for line in read_lines(stream) if line is None or line.strip()), None)
    opening = (first or "").lstrip()[:1]
    if opening == "[" or (first is None and _starts_an_array(file, report.encoding)):
        yield from _elements(_whole(file, report.encoding), report, where)
        return
    if opening == "{" and (first or "").rstrip()[-1] in "{[," and file.stat().st_size <= MAX_WHOLE:
        try:
            only = json.loads(_whole(file, report.encoding), strict=False)
        except (ValueError, RecursionError):
            pass  # JSON lines of which the first is cut off
        else:
            report.lines += 1
            yield 1, only
            return
    yield from _json_lines(file, report, where)


def _starts_an_array(file: Path, encoding: str) -> bool:
    with file.open(encoding=encoding) as stream:
        return stream.read(PIECE).lstrip().startswith("[")


def _whole(file: Path, encoding: str) -> str:
    if file.stat().st_size > MAX_WHOLE:
        raise UserError(
            f"{file}: JSON 배열이 {MAX_WHOLE // 2**20} MiB를 넘습니다. "
            f"한 줄에 하나씩 적은 JSONL로 바꿔 주세요(jq -c '.[]' {file.name})."
        )
    return file.read_text(encoding=encoding)


def _elements(text: str, report: ReadReport, where: str) -> Iterator[tuple[int, Any]]:
    """Elements one by one: what stands before a break in the array is still read."""
    number = 0
    at = _after_space(text, text.index("[") + 1)
    while at < len(text) and text[at] != "]":
        number += 1
        report.lines += 1
        try:
            value, at = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            report.skip(number, f"{where}{_broken(error)}, 배열의 나머지는 읽지 못했습니다")
            return
        yield number, value
        at = _after_space(text, at)
    rest = "배열이 닫히지 않았습니다(잘린 파일)" if at >= len(text) else "배열이 끝난 뒤에 다른 글이 있습니다"
    if at >= len(text) or text[at + 1 :].strip():
        report.lines += 1
        report.skip(number + 1, where + rest)


def _after_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _json_lines(file: Path, report: ReadReport, where: str) -> Iterator[tuple[int, Any]]:
    with file.open(encoding=report.encoding) as stream:
        for number, line in enumerate(read_lines(stream), start=1):
            report.lines += 1
            if line is None:
                report.skip(number, where + too_long())
            elif not line.strip():
                report.kinds["blank"] += 1
            else:
                try:
                    value = json.loads(line, strict=False)
                except (ValueError, RecursionError) as error:
                    report.skip(number, where + _broken(error))
                    continue
                yield number, value


def _broken(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        line = f"{error.lineno}번째 줄 " if error.lineno > 1 else ""
        return f"JSON이 아닙니다({line}{error.colno}번째 글자)"
    if isinstance(error, RecursionError):
        return "대화로 읽을 수 없습니다: 너무 깊이 겹친 JSON입니다"
    return "대화로 읽을 수 없습니다: 숫자가 너무 깁니다"
