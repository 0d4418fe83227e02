"""한국어 SNS and 한국어 대화 요약: messenger chats of two or more, anonymised by `#@…#` tokens."""

from collections.abc import Iterator
from typing import Any

from yuhee.data.corpora.aihub.conversation import Conversation, Utterance, described, entries, iso_time, mapping, word


def is_record(record: dict[str, Any]) -> bool:
    return isinstance(mapping(record.get("header")).get("dialogueInfo"), dict)


def conversations(record: dict[str, Any]) -> Iterator[Conversation]:
    """One conversation; `body` is the list of utterances, or an object with that list and a summary."""
    info = mapping(record["header"]["dialogueInfo"])
    body = record.get("body")
    utterances = [
        Utterance(
            word(entry.get("participantID")), entry.get("utterance"), iso_time(entry.get("date"), entry.get("time"))
        )
        for entry in entries(mapping(body).get("dialogue") if isinstance(body, dict) else body)
    ]
    meta = described(topic=info.get("topic"), type=info.get("type"))
    yield Conversation(word(info.get("dialogueID")) or None, utterances, meta=meta)
