"""한국어 멀티세션 대화 (141) and 일상대화 멀티세션 (011; also 009, 010): two people who meet again and again."""

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

from yuhee.data.corpora.aihub.conversation import Conversation, Utterance, described, entries, iso_time, mapping, word

_KOREA = timezone(timedelta(hours=9))
_THIS_CENTURY = range(10**12, 10**13)  # milliseconds since 1970: 2001 to 2286


def is_record(record: dict[str, Any]) -> bool:
    return isinstance(record.get("sessionInfo"), list)


def conversations(record: dict[str, Any]) -> Iterator[Conversation]:
    """One conversation per session; all sessions of a file are one group, for the same two people know each other.

    Whoever opens the first session keeps that part in the later ones, so that the assistant stays the same person.
    """
    file = word(mapping(record.get("FileInfo")).get("filename"))
    topic = mapping(record.get("topicInfo"))
    dialogs = [(session, list(entries(session.get("dialog")))) for session in entries(record["sessionInfo"])]
    order = tuple(dict.fromkeys(word(entry.get("speaker")) for _, dialog in dialogs for entry in dialog))
    for session, dialog in dialogs:
        number = word(session.get("nthSession")) or word(session.get("sessionID"))
        spoken = [Utterance(word(entry.get("speaker")), entry.get("utterance"), _time(entry)) for entry in dialog]
        key = f"{file}:{number}" if file and number else None
        meta = described(topic=topic.get("topicTitle"), topic_type=topic.get("topicType"), session=number)
        yield Conversation(key, spoken, group=file or None, order=order, meta=meta)


def _time(entry: dict[str, Any]) -> str | None:
    """`date` and `time`, or the `timestamp` of 011 in milliseconds, as Korean time."""
    stamp = word(entry.get("timestamp"))
    if stamp.isdecimal() and len(stamp) == 13 and int(stamp) in _THIS_CENTURY:
        moment = datetime.fromtimestamp(int(stamp) / 1000, _KOREA).replace(tzinfo=None)
        return moment.isoformat(timespec="minutes")
    return iso_time(entry.get("date"), entry.get("time"))
