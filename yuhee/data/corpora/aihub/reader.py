"""Reads whatever AI Hub dialogue corpora stand under a path."""

import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from yuhee.data.corpora.aihub.archive import Document, Refused, documents
from yuhee.data.corpora.aihub.assembly import Assembly, BotSpeaker, Place
from yuhee.data.corpora.aihub.conversation import Unreadable
from yuhee.data.corpora.aihub.decoding import HEAD, BadDocument, encoding_of, open_text
from yuhee.data.corpora.aihub.json_stream import records
from yuhee.data.corpora.aihub.shapes import Shape, named, shape_of
from yuhee.data.corpora.aihub.tables import csv_rows, sheets, table_records
from yuhee.data.dialogue import Dialogue
from yuhee.data.report import ReadReport
from yuhee.errors import UserError

# What a damaged zip member or file raises while it is read.
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError)

Shapes = dict[str, tuple[Shape, ...]]


def read(
    path: str | None, report: ReadReport, *, shape: str | None = None, bot_speaker: BotSpeaker = "second"
) -> Iterator[Dialogue]:
    """Yield the dialogues of a file, a zip, or a folder of both, one record in memory at a time.

    Args:
        path: JSON, JSON lines, CSV, TSV, XLSX, a zip of them, or a folder of all these.
        shape: read only this shape of record (a name in `SHAPES`); None finds the shape of each by its content.
        bot_speaker: who is the assistant, by order of speaking, where the corpus favours no side.

    Raises:
        UserError: nothing was named or found, or an option has no such value.
    """
    if path is None:
        raise UserError("data.path에 AI Hub에서 받은 폴더나 파일을 지정해 주세요.")
    if bot_speaker not in get_args(BotSpeaker):
        raise UserError(f"data.reader.bot_speaker={bot_speaker}: first, second, both 중에서 골라 주세요.")
    shapes, assembly, others = named(shape), Assembly(report, bot_speaker), Counter[str]()
    found = False
    for document in documents(path, others):
        found = True
        if isinstance(document, Refused):
            assembly.refuse(document.name, 0, document.reason)
            continue
        try:
            yield from _dialogues(document, shapes, assembly)
        except BadDocument as error:
            assembly.refuse(document.name, 0, str(error))
        except UnicodeDecodeError:
            assembly.refuse(document.name, 0, "중간에 읽을 수 없는 글자가 있어 그 뒤를 읽지 못했습니다")
        except _DAMAGE:
            assembly.refuse(document.name, 0, "파일이 깨졌거나 읽을 수 없습니다. 다시 내려받아 주세요")
    if not found:
        raise UserError(f"{path}: AI Hub 파일(json, jsonl, csv, tsv, xlsx, zip)이 없습니다. data.path를 확인해 주세요.")
    report.notes += _notes(assembly, others)


def _dialogues(document: Document, shapes: Shapes, assembly: Assembly) -> Iterator[Dialogue]:
    number = 0
    for number, record in _records(document, shapes, assembly.report):
        if isinstance(record, Unreadable):
            assembly.refuse(document.name, number, record.reason)
            continue
        found = shape_of(record, shapes)
        if found is None:
            wanted = f"{next(iter(shapes))} 형식이" if len(shapes) == 1 else "아는 AI Hub 형식이"
            assembly.refuse(document.name, number, f"{wanted} 아닙니다")
            continue
        name, shape = found
        place = Place(document.name, number, document.split)
        empty = True
        for conversation in shape.conversations(record):
            empty = False
            yield from assembly.dialogues(name, conversation, place)
        if empty:
            assembly.refuse(document.name, number, "대화가 없습니다")
    if not number:
        raise BadDocument("기록이 하나도 없습니다")


def _records(document: Document, shapes: Shapes, report: ReadReport) -> Iterator[tuple[int, Any]]:
    """(1-based number, record) of a document, whose kind is told by its first bytes."""
    with document.open() as stream:
        head = stream.read(HEAD)
    headless = set(shapes) == {"tweeter"} or "tweeter" in Path(document.name).name.lower()
    if head.startswith(b"PK\x03\x04"):
        _note_encoding(report, "xlsx")
        for sheet in sheets(document):
            yield from table_records(sheet, headless=headless)
        return
    encoding = encoding_of(head)
    _note_encoding(report, encoding)
    start = head.decode(encoding, "replace").lstrip("\ufeff \t\r\n")
    if start.startswith(("{", "[")):
        with open_text(document, encoding) as text:
            yield from enumerate(records(text), start=1)
    elif document.name.lower().endswith((".json", ".jsonl")):
        raise BadDocument("JSON이 아닙니다")
    else:
        yield from table_records(csv_rows(document, encoding), headless=headless)


def _note_encoding(report: ReadReport, encoding: str) -> None:
    if encoding not in report.encoding.split(", "):
        report.encoding = f"{report.encoding}, {encoding}" if report.encoding else encoding


def _notes(assembly: Assembly, others: Counter[str]) -> Iterator[str]:
    if assembly.repeated:
        yield f"같은 대화가 되풀이된 {assembly.repeated}건은 한 번만 읽었습니다."
    if assembly.unanswered:
        yield f"답하는 사람이 없는 대화 {assembly.unanswered}건은 뺐습니다."
    if others:
        endings = ", ".join(f"{ending} {number}개" for ending, number in sorted(others.items()))
        yield f"대화가 아닌 파일은 읽지 않았습니다({endings})."
