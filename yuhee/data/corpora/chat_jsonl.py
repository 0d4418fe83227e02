"""Dialogue files: UTF-8 JSON lines, one conversation a line (`yuhee/1`, or plain OpenAI `messages`)."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from yuhee.data.corpora.text_file import find_file, read_text, split_lines
from yuhee.data.dialogue import Dialogue, Turn, group_keys
from yuhee.data.report import ReadReport
from yuhee.errors import UserError


def read(path: str | None, report: ReadReport) -> Iterator[Dialogue]:
    """Yield the conversations of a JSON-lines file.

    Each line is `{"messages": [{"role", "content", "emotion"?, "speaker"?, "time"?, "weight"?}], "id"?,
    "group_keys"?, "source"?, "meta"?}`. Lines that are not, go to the report.

    Raises:
        UserError: no file was named, or it is missing, empty or undecodable.
    """
    if path is None:
        raise UserError("data.path에 대화 파일(JSON lines)을 지정해 주세요.")
    file = find_file(Path(path))
    text, report.encoding = read_text(file)
    for number, line in enumerate(split_lines(text), start=1):
        if not line.strip():
            continue
        try:
            yield _dialogue(json.loads(line), number, report.source)
        except json.JSONDecodeError as error:
            report.skip(number, f"JSON이 아닙니다({error.colno}번째 글자)")
        except (ValueError, RecursionError) as error:
            report.skip(number, f"대화로 읽을 수 없습니다: {error}")


def _dialogue(record: Any, number: int, source: str) -> Dialogue:
    if not isinstance(record, dict) or not isinstance(record.get("messages"), list):
        raise ValueError("'messages' 목록이 없습니다")
    turns = tuple(_turn(message, index) for index, message in enumerate(record["messages"]))
    keys = record.get("group_keys") or group_keys(turns)
    if not isinstance(keys, list | tuple) or not all(isinstance(key, str) for key in keys):
        raise ValueError("'group_keys'는 문자열 목록이어야 합니다")
    json.dumps(record, ensure_ascii=False).encode()  # half a character anywhere is a ValueError
    return Dialogue(
        id=str(record.get("id") or f"{source}:{number}"),
        turns=turns,
        group_keys=tuple(keys),
        source=str(record.get("source") or source),
        meta=record.get("meta") or {},
    )


def _turn(message: Any, index: int) -> Turn:
    if not isinstance(message, dict):
        raise ValueError(f"messages[{index}]가 객체가 아닙니다")
    emotion, speaker, time = (message.get(key) for key in ("emotion", "speaker", "time"))
    try:
        return Turn(
            role=message.get("role", ""),
            text=message.get("content", ""),
            emotion=None if emotion is None else str(emotion),
            speaker=None if speaker is None else str(speaker),
            time=None if time is None else str(time),
            weight=message.get("weight", 1),
        )
    except ValueError as error:
        raise ValueError(f"messages[{index}]: {error}") from None
