"""Bytes to text, once and strictly."""

import codecs
import contextlib
import re
import unicodedata
from pathlib import Path

from yuhee.errors import UserError

MAX_BYTES = 2**28  # of a file that is read whole
_LINE_BREAK = re.compile(r"\r\n|\n|\r")


def find_file(path: Path) -> Path:
    """The file under its name as typed, or under the same name in NFC or NFD (macOS unpacks Hangul as NFD).

    Raises:
        UserError: no such file, or a folder.
    """
    with contextlib.suppress(RuntimeError):  # a home that nobody has
        path = path.expanduser()
    with contextlib.suppress(OSError, ValueError):  # a name that no file can have
        if path.is_file():
            return path
        if path.is_dir():
            raise UserError(f"{path}: 파일이 아니라 폴더입니다. data.path에 파일 이름까지 적어 주세요.")
    with contextlib.suppress(OSError, ValueError):
        wanted = unicodedata.normalize("NFC", path.name)
        for entry in path.parent.iterdir():
            if unicodedata.normalize("NFC", entry.name) == wanted and entry.is_file():
                return entry
    raise UserError(f"{path}: 파일이 없습니다. data.path를 확인해 주세요.")


def read_text(path: Path) -> tuple[str, str]:
    """Decode a file as UTF-8 (with or without BOM), UTF-16 (with BOM) or cp949, in this order.

    Returns:
        The text and the name of the encoding.

    Raises:
        UserError: the file is empty, too large to be read whole, unreadable or in none of these encodings.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UserError(
                f"{path}: {MAX_BYTES // 2**20} MiB를 넘어 이 형식의 파일일 수 없습니다. data.path를 확인해 주세요."
            )
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: 읽을 수 없습니다 ({error.strerror}).") from None
    utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    for encoding in ("utf-16",) if utf16 else ("utf-8-sig", "cp949"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if not text.strip():
            break
        return text, encoding
    else:
        raise UserError(f"{path}: UTF-8도 UTF-16도 cp949도 아닙니다. UTF-8로 저장한 뒤 다시 시도해 주세요.")
    raise UserError(f"{path}: 파일이 비어 있습니다.")


def split_lines(text: str) -> list[str]:
    """Lines at CRLF, LF and CR only: `str.splitlines` also breaks at U+2028 and others, which occur in messages."""
    return _LINE_BREAK.split(text)
