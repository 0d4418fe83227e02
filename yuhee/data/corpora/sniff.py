"""Which format a file has, by its content; its name is a hint only where the content has none.

Order of the keys and headers: the first that fits decides, as one format's keys may stand in another's records.
"""

import lzma
import os
import re
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from yuhee.data.corpora import chat_jsonl, keti, songys, table
from yuhee.data.corpora.aihub import reader as aihub
from yuhee.data.corpora.aihub.decoding import BadDocument, encoding_of
from yuhee.data.corpora.json_stream import find_encoding
from yuhee.data.corpora.kakaotalk import export
from yuhee.data.corpora.text_file import split_lines
from yuhee.data.corpus import Reader
from yuhee.errors import UserError

FORMATS: dict[str, Reader] = {
    "kakaotalk": export.read,
    "keti": keti.read,
    "chat_jsonl": chat_jsonl.read,
    "aihub": aihub.read,
    "songys": songys.read,
    "table": table.read,
}
HEAD = 65536  # characters looked at; bytes of a member of a zip
HEAD_LINES = 200
KETI_SHARE = 0.6
RECEIPT = ".report.json"
MEMBERS = 200  # files of a folder or zip looked at

_BROKEN_ZIP = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, NotImplementedError, RuntimeError)
_JSON = re.compile(r"\{|\[\s*\{")  # not `[name] [time]` of a chat
_KEY = re.compile(r'"([\w-]+)"\s*:')
_KETI_LINE = re.compile(r"\d{1,3}\t")
_KETI_NAME = re.compile(r"KETI_|output_ ?(daily|task)|일상_오피스")
_JSON_KEYS: tuple[tuple[str, frozenset[str]], ...] = (
    ("chat_jsonl", frozenset({"messages"})),
    ("chat_jsonl", frozenset({"conversations"})),
    ("aihub", frozenset({"profile", "talk"})),
    ("aihub", frozenset({"dialogueInfo"})),
    ("aihub", frozenset({"sessionInfo"})),
    ("aihub", frozenset({"info", "annotations"})),
    ("aihub", frozenset({"info", "utterances"})),
    ("aihub", frozenset({"paragraph_speaker"})),
    ("keti", frozenset({"user_utterance", "system_utterance"})),
    ("chat_jsonl", frozenset({"instruction"})),
    ("chat_jsonl", frozenset({"prompt", "completion"})),
    ("chat_jsonl", frozenset({"question", "answer"})),
    ("chat_jsonl", frozenset({"Q", "A"})),
)
_CSV_COLUMNS: tuple[tuple[str, frozenset[str]], ...] = (
    ("kakaotalk", frozenset({"date", "user", "message"})),
    ("songys", frozenset({"q", "a", "label"})),
    ("aihub", frozenset({"사람문장1"})),
    ("keti", frozenset({"user_utterance", "system_utterance"})),
    ("aihub", frozenset({"대화id"})),
    ("table", frozenset({"q", "a"})),
    ("table", frozenset({"question", "answer"})),
    ("table", frozenset({"질문", "답변"})),
    ("table", frozenset({"질문", "답"})),
)


class Found(NamedTuple):
    """A format, and what in the file shows it."""

    format: str
    why: str


def sniff(path: Path) -> Found:
    """The format of a file, a zip or a folder.

    Raises:
        UserError: it cannot be read; nothing fits (with what was tried); or several formats fit (with their names).
    """
    path = Path(os.path.expanduser(path))  # noqa: PTH111 - a name that no file can have is told below
    if not os.path.exists(path):  # noqa: PTH110
        raise UserError(f"{path}: 파일이 없습니다. 경로를 확인해 주세요.")
    found = {each.format: each for each in (_in_folder(path) if path.is_dir() else _in_file(path))}
    if len(found) == 1:
        return next(iter(found.values()))
    if not found:
        raise UserError(f"{path}: 아는 형식이 아닙니다(살펴본 형식: {', '.join(FORMATS)}). --format으로 알려 주세요.")
    listed = "; ".join(f"{each.format} ({each.why})" for each in found.values())
    raise UserError(f"{path}: 여러 형식으로 보입니다: {listed}. --format으로 하나를 골라 주세요.")


def _in_folder(folder: Path) -> Iterator[Found]:
    files = [file for _, file in zip(range(MEMBERS), sorted(folder.rglob("*")), strict=False) if file.is_file()]
    imports = [file.with_name(file.name.removesuffix(RECEIPT)) for file in files if file.name.endswith(RECEIPT)]
    for file in files:
        if any(file.name.startswith((out.name, f".{out.name}")) and file.parent == out.parent for out in imports):
            continue  # what an earlier import of this folder wrote
        try:
            yield from _in_file(file)
        except UserError:
            continue  # a picture beside the export


def _in_file(file: Path) -> Iterator[Found]:
    name = unicodedata.normalize("NFC", file.name)
    if zipfile.is_zipfile(file):
        try:
            yield from _in_zip(file)
        except (*_BROKEN_ZIP, UnicodeDecodeError):
            raise UserError(f"{file}: 압축이 깨졌거나 열 수 없습니다. 다시 내려받거나 압축을 풀어 주세요.") from None
    else:
        yield from _in_text(_head(file), name)


def _in_zip(file: Path) -> Iterator[Found]:
    with zipfile.ZipFile(file) as archive:
        if "xl/workbook.xml" in archive.namelist():
            yield Found("aihub", "엑셀 파일")
            return
        for member in archive.infolist()[:MEMBERS]:
            ending = Path(member.filename).suffix.lower()
            if ending not in (".txt", ".csv", ".tsv", ".json", ".jsonl", ".xlsx") or member.flag_bits & 1:
                continue
            with archive.open(member) as stream:
                head = stream.read(HEAD)
            if head.startswith(b"PK") and ending == ".xlsx":
                yield Found("aihub", "zip 안의 엑셀 파일")
            else:
                yield from _in_text(_decoded(head), "zip 안의 파일")


def _head(file: Path) -> str:
    encoding = find_encoding(file)
    with file.open(encoding=encoding, errors="strict", newline="") as stream:
        return stream.read(HEAD)


def _decoded(head: bytes) -> str:
    try:
        return head.decode(encoding_of(head), errors="ignore")  # the last character may be cut in half
    except BadDocument:
        return ""


def _in_text(text: str, name: str) -> Iterator[Found]:
    text = text.lstrip("\ufeff \t\r\n")
    if _JSON.match(text) and (found := _in_json(text)):
        yield found
        return
    lines = [line for line in split_lines(text)[:HEAD_LINES] if line.strip()]
    if lines and (found := _in_header(lines[0])):
        yield found
        return
    if records := export.looks_like("\n".join(lines)):
        yield Found("kakaotalk", f"카카오톡 기록 꼴의 줄 {records}개")
    numbered = sum(bool(_KETI_LINE.match(line)) for line in lines)
    if lines and numbered >= KETI_SHARE * len(lines):
        yield Found(
            "keti", f"'번호<탭>말' 꼴의 줄 {numbered}개" + (" (파일 이름도)" if _KETI_NAME.search(name) else "")
        )


def _in_json(text: str) -> Found | None:
    keys = set(_KEY.findall(text))
    for format_, wanted in _JSON_KEYS:
        if wanted <= keys:
            return Found(format_, f"JSON의 키 {', '.join(sorted(wanted))}")
    return None


def _in_header(line: str) -> Found | None:
    names = {name.strip().strip('"').casefold() for name in re.split(r"[,;\t]", line)}
    for format_, wanted in _CSV_COLUMNS:
        if wanted <= names:
            return Found(format_, f"CSV의 열 {', '.join(sorted(wanted))}")
    return None
