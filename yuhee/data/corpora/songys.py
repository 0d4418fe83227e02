"""songys ChatbotData.csv: 11,823 single-turn question/answer rows with an emotion label.

Format: github.com/songys/Chatbot_data (MIT, Youngsook Song 2018): UTF-8, CRLF, header `Q,A,label`, quotes only
around fields with a comma, no line break inside a field. Labels: 0 everyday, 1 parting (sad), 2 love (positive).
"""

import csv
import hashlib
import logging
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pooch
import requests

from yuhee.data.corpora.text_file import find_file, read_text, split_lines
from yuhee.data.dialogue import Dialogue, Turn, group_keys
from yuhee.data.report import ReadReport
from yuhee.errors import UserError
from yuhee.paths import cache_dir, data_dir

URL = "https://raw.githubusercontent.com/songys/Chatbot_data/master/ChatbotData.csv"
SHA256 = "287eb129695b577321c80ad397bb3c2279164d4ca577874d129fd3db5b30afe2"
COLUMNS = ("Q", "A", "label")
LABELS = {0: "일상", 1: "이별", 2: "사랑"}


def read(path: str | None, report: ReadReport) -> Iterator[Dialogue]:
    """Yield one two-turn dialogue per distinct (Q, A); the 73 pairs that occur twice keep their smaller label.

    Raises:
        UserError: the file is missing, empty, undecodable, or lacks a column.
    """
    file = locate(path)
    text, report.encoding = read_text(file)
    report.private = _sha256(file) != SHA256
    lines = split_lines(text)
    names = _names(lines[0])
    columns = _columns(file, names)
    labels: dict[tuple[str, str], tuple[int, set[int]]] = {}
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip():
            continue
        try:
            question, answer, label = _row(line, columns, len(names))
        except ValueError as error:
            report.skip(number, str(error))
            continue
        labels.setdefault((question, answer), (number, set()))[1].add(label)
    if duplicates := len(lines) - 1 - len(labels) - len(report.skipped) - sum(not line.strip() for line in lines[1:]):
        report.notes.append(f"같은 질문과 답이 되풀이된 {duplicates}줄을 하나로 합쳤습니다.")
    for (question, answer), (number, found) in labels.items():
        turns = (Turn("user", question, emotion=str(min(found))), Turn("assistant", answer))
        meta = {"labels": sorted(found), "name": LABELS.get(min(found), "")}
        yield Dialogue(f"songys:{number}", turns, group_keys(turns), source="songys", meta=meta)


def locate(path: str | None) -> Path:
    """Where the file is: `path`; `$YUHEE_DATA_DIR/songys/`; the user cache; else a download into that cache.

    Raises:
        UserError: a file that is not the published one where that one is expected, or no network.
    """
    if path is not None:
        given = Path(path).expanduser()
        return find_file(given / "ChatbotData.csv" if given.is_dir() else given)
    root = data_dir()
    if root is not None and (file := root / "songys" / "ChatbotData.csv").is_file():
        if _sha256(file) != SHA256:
            raise UserError(
                f"{file}: 공개된 songys 파일과 SHA-256이 다릅니다(잘렸거나 고친 파일). "
                f"다시 내려받거나, 고친 파일을 쓰려면 data.path={file} 로 지정해 주세요."
            )
        return file
    return _download(cache_dir() / "songys")


def _download(folder: Path) -> Path:
    target = folder / "ChatbotData.csv"
    if target.is_file() and _sha256(target) != SHA256:
        target.unlink()  # damaged since it was downloaded
    pooch.get_logger().setLevel(logging.WARNING)
    try:
        # pooch writes beside the target and renames only what has the right hash
        return Path(pooch.retrieve(URL, f"sha256:{SHA256}", target.name, folder, progressbar=True))
    except requests.exceptions.RequestException as error:
        status = getattr(error.response, "status_code", None)
        reason = f"서버가 {status}로 답함" if status else "네트워크 없음"
        raise UserError(
            f"songys를 내려받지 못했습니다({reason}): {URL} 을 다른 곳에서 받아 "
            "data.path=<파일> 로 지정하거나 $YUHEE_DATA_DIR/songys/ 에 넣어 주세요."
        ) from None
    except ValueError:
        raise UserError(
            f"내려받은 songys 파일의 SHA-256이 다릅니다(잘렸거나 바뀐 파일이라 저장하지 않았습니다): {URL} 을 "
            "직접 받아 data.path=<파일> 로 지정해 주세요."
        ) from None
    except OSError as error:
        raise UserError(
            f"{folder}: 저장할 수 없습니다 ({error.strerror or error}). YUHEE_CACHE_DIR를 바꿔 주세요."
        ) from None


def _names(header: str) -> list[str]:
    try:
        return [name.strip() for name in next(csv.reader([header]), [])]
    except csv.Error:  # a field without end
        return []


def _columns(file: Path, names: list[str]) -> list[int]:
    if missing := [name for name in COLUMNS if name not in names]:
        raise UserError(
            f"{file}, 1번째 줄: 열 {', '.join(missing)} 이(가) 없습니다(있는 열: {', '.join(names) or '없음'}). "
            f"첫 줄을 '{','.join(COLUMNS)}' 로 고쳐 주세요."
        )
    return [names.index(name) for name in COLUMNS]


def _row(line: str, columns: list[int], width: int) -> tuple[str, str, int]:
    """Parse one physical line: a stray quote spoils its own row, not the rest of the file."""
    try:
        fields = next(csv.reader([line], strict=True))
    except csv.Error:
        raise ValueError("따옴표가 닫히지 않았습니다") from None
    if len(fields) <= max(columns):
        raise ValueError(f"열이 {len(fields)}개뿐입니다")
    if len(fields) > width:
        raise ValueError(f"열이 {len(fields)}개입니다(쉼표가 든 글은 따옴표로 감싸야 합니다)")
    question, answer, label = (unicodedata.normalize("NFC", fields[column]).strip() for column in columns)
    if not question or not answer:
        raise ValueError("Q나 A가 비어 있습니다")
    try:
        return question, answer, int(label)
    except ValueError:
        raise ValueError("label이 정수가 아닙니다") from None


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
