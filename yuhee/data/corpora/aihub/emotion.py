"""감성대화 말뭉치 (018): a person and a counselling system, JSON or a table, with an emotion per dialogue."""

import re
from collections.abc import Iterator
from typing import Any

from yuhee.data.corpora.aihub.conversation import Conversation, Utterance, described, mapping, word

PERSON, SYSTEM = "HS", "SS"
# E10–E19 anger … E60–E69 joy: the tens of the emotion type are its group.
GROUPS = {"1": "분노", "2": "슬픔", "3": "불안", "4": "상처", "5": "당황", "6": "기쁨"}

_TYPE = re.compile(r"E([1-6])\d")
_KEY = re.compile(r"(HS|SS)(\d{2})")
_COLUMN = re.compile(r"(사람문장|시스템(?:문장|응답))(\d)")


def is_record(record: dict[str, Any]) -> bool:
    return isinstance(record.get("talk"), dict) and "profile" in record


def is_row(row: dict[str, Any]) -> bool:
    return any(_COLUMN.fullmatch(name) for name in row)


def conversations(record: dict[str, Any]) -> Iterator[Conversation]:
    """One conversation of a JSON record, with the name of the emotion type's group."""
    talk, feeling = mapping(record["talk"]), mapping(mapping(record["profile"]).get("emotion"))
    kind = word(feeling.get("type"))
    group = _TYPE.fullmatch(kind)
    sentences = mapping(talk.get("content"))
    turns = {_place(match[2], match[1]): sentences[name] for name in sentences if (match := _KEY.fullmatch(name))}
    meta = described(emotion_type=kind, emotion_id=feeling.get("emotion-id"))
    yield _conversation(word(mapping(talk.get("id")).get("talk-id")), turns, GROUPS[group[1]] if group else None, meta)


def row_conversations(row: dict[str, Any]) -> Iterator[Conversation]:
    """One conversation of a table's row, with its 감정_대분류."""
    turns = {
        _place(match[2], PERSON if match[1] == "사람문장" else SYSTEM): text
        for name, text in row.items()
        if (match := _COLUMN.fullmatch(name))
    }
    meta = described(emotion_detail=row.get("감정_소분류"), situation=row.get("상황키워드"))
    yield _conversation("", turns, word(row.get("감정_대분류")) or None, meta)


def _place(number: str, speaker: str) -> tuple[int, str]:
    """Sorts HS01, SS01, HS02 …: the order of the keys in a file says nothing, and H comes before S."""
    return int(number), speaker


def _conversation(
    key: str, turns: dict[tuple[int, str], Any], emotion: str | None, meta: dict[str, Any]
) -> Conversation:
    """The sentences up to the first that the person lacks; a last one without an answer stays as context."""
    present = {place: text for place, text in turns.items() if not _missing(text)}
    end = next(number for number in range(1, 101) if (number, PERSON) not in present)
    utterances = [
        Utterance(
            place[1],
            text,
            emotion=emotion if place[1] == PERSON else None,
            problem="사람 문장이 빠진 뒤의 문장입니다" if place[0] >= end else None,
        )
        for place, text in sorted(present.items())
    ]
    spoken = "\n".join(text.strip() for _, text in sorted(present.items()) if isinstance(text, str))
    return Conversation(key or None, utterances, bot=SYSTEM, copy_key=spoken, meta=meta)


def _missing(text: Any) -> bool:
    """None, blank, or the NaN that pandas writes for an empty cell."""
    return text is None or text != text or (isinstance(text, str) and text.strip().lower() in ("", "nan"))
