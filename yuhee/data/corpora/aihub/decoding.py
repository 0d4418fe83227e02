"""Bytes of a document to text, piece by piece and strictly."""

import codecs
import io
from collections.abc import Iterator

from yuhee.data.corpora.aihub.archive import Document

HEAD = 2**16  # bytes by which the encoding is told
LONGEST_LINE = 2**20  # characters


class BadDocument(Exception):
    """What is wrong with a document, in Korean, without any of its text."""


def encoding_of(head: bytes) -> str:
    """UTF-16 (with BOM), UTF-8 (with or without) or cp949, by the first bytes of a document.

    Raises:
        BadDocument: it is empty, or in none of these.
    """
    if not head.strip(b"\0 \t\r\n\xef\xbb\xbf"):
        raise BadDocument("파일이 비어 있습니다")
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    for encoding in ("utf-8-sig", "cp949"):
        try:
            codecs.getincrementaldecoder(encoding)().decode(head)
        except UnicodeDecodeError:
            continue
        return encoding
    raise BadDocument("UTF-8도 UTF-16도 cp949도 아닙니다. UTF-8로 저장해 주세요")


def open_text(document: Document, encoding: str) -> io.TextIOWrapper:
    """The document as text with its line breaks as they are."""
    return io.TextIOWrapper(document.open(), encoding=encoding, newline="")


def short_lines(text: io.TextIOWrapper) -> Iterator[str]:
    """The lines of a text.

    Raises:
        BadDocument: a line longer than `LONGEST_LINE`, before it is read whole.
    """
    while line := text.readline(LONGEST_LINE):
        if len(line) == LONGEST_LINE and not line.endswith("\n"):
            raise BadDocument("한 줄이 백만 글자를 넘어 그 뒤를 읽지 않았습니다")
        yield line
