"""CSV, TSV and XLSX documents to records, by their header."""

import csv
import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from yuhee.data.corpora.aihub import emotion, multiturn, others
from yuhee.data.corpora.aihub.archive import Document, is_bomb, is_workbook
from yuhee.data.corpora.aihub.conversation import Unreadable
from yuhee.data.corpora.aihub.decoding import BadDocument, open_text, short_lines

LARGEST_WORKBOOK = 2**26  # bytes, compressed
LARGEST_SHEET = 2**29  # bytes, of any one part

Row = tuple[int, list[str] | Unreadable]


def csv_rows(document: Document, encoding: str) -> Iterator[Row]:
    """(number of the first line, fields) of each row of a CSV or TSV."""
    with open_text(document, encoding) as text:
        lines = short_lines(text)
        header = next(lines, "")
        delimiter = "\t" if header.count("\t") > header.count(",") else ","
        rows = csv.reader(_chain(header, lines), delimiter=delimiter, strict=True)
        while True:
            number = rows.line_num + 1
            try:
                yield number, next(rows)
            except StopIteration:
                return
            except csv.Error:  # the reader begins anew with the next line
                last = max(rows.line_num, number)
                yield number, Unreadable(f"따옴표가 잘못되어 {last}번째 줄까지 읽지 못했습니다")


def sheets(document: Document) -> Iterator[Iterator[Row]]:
    """The rows of each sheet of an XLSX, cells as text.

    Raises:
        BadDocument: it is too large, or openpyxl cannot read it; also while the rows are read.
    """
    with document.open() as stream:
        data = stream.read(LARGEST_WORKBOOK + 1)
    if len(data) > LARGEST_WORKBOOK:
        raise BadDocument("엑셀 파일이 64MB를 넘어 읽지 않습니다. CSV로 저장해 주세요")
    with _damage_told():
        _check(io.BytesIO(data))
        from openpyxl import load_workbook  # takes 40 MB, and most corpora have no use for it

        workbook = load_workbook(io.BytesIO(data), read_only=True, data_only=True)
    yield from map(_sheet_rows, workbook.worksheets)


def _sheet_rows(sheet: Any) -> Iterator[Row]:
    with _damage_told():
        sheet.reset_dimensions()  # the file's own figure may be wrong, or a million empty rows
        for number, row in enumerate(sheet.values, start=1):
            yield number, ["" if cell is None else str(cell) for cell in row]


@contextmanager
def _damage_told() -> Iterator[None]:
    try:
        yield
    except BadDocument:
        raise
    except Exception:  # openpyxl raises whatever the damaged part makes it stumble over
        raise BadDocument("엑셀 파일이 깨졌거나 열 수 없습니다") from None


def table_records(rows: Iterator[Row], *, headless: bool) -> Iterator[tuple[int, Any]]:
    """(number, record) of a table: rows as objects, or the rows of a dialogue gathered as its JSON would be.

    Args:
        headless: the table has no header: each row is a dialogue.
    """
    filled = ((number, row) for number, row in rows if isinstance(row, Unreadable) or any(map(str.strip, row)))
    if headless:
        yield from ((number, _bare(row)) for number, row in filled)
        return
    number, header = next(filled, (0, []))
    if not number:  # an empty sheet
        return
    if isinstance(header, Unreadable):
        yield number, header
        return
    names = [name.strip() for name in header]
    objects = ((n, row if isinstance(row, Unreadable) else dict(zip(names, row, strict=False))) for n, row in filled)
    if emotion.is_row(dict.fromkeys(names)):
        yield from objects
    elif set(names) >= multiturn.COLUMNS:
        yield from multiturn.gathered(objects)
    elif set(names) >= others.WELLNESS_COLUMNS:
        yield from others.gathered_wellness(objects)
    else:
        yield number, Unreadable("첫 줄의 열 이름이 AI Hub의 어느 말뭉치와도 다릅니다")


def _bare(row: list[str] | Unreadable) -> Any:
    return row if isinstance(row, Unreadable) else {"cells": row}


def _check(stream: IO[bytes]) -> None:
    with zipfile.ZipFile(stream) as archive:
        if not is_workbook(archive):
            raise BadDocument("엑셀 파일이 아닙니다")
        if any(is_bomb(part) or part.file_size > LARGEST_SHEET for part in archive.infolist()):
            raise BadDocument("엑셀 파일이 풀면 너무 커서(압축 폭탄) 읽지 않습니다")


def _chain(header: str, lines: Iterator[str]) -> Iterator[str]:
    yield header
    yield from lines
