"""한국어 SNS 멀티턴 (012): two or three people, JSON per dialogue or a CSV with the ids on first rows only."""

from collections.abc import Iterator
from typing import Any

from yuhee.data.corpora.aihub.conversation import (
    Conversation,
    Unreadable,
    Utterance,
    described,
    entries,
    first,
    mapping,
    word,
)

COLUMNS = {"대화ID", "발화자", "발화"}
MOST_ROWS = 100_000  # of one dialogue of a CSV: a file without ids must not fill the memory


def is_record(record: dict[str, Any]) -> bool:
    return isinstance(record.get("info"), dict) and "speaker" in first(record.get("utterances"))


def conversations(record: dict[str, Any]) -> Iterator[Conversation]:
    info = mapping(record["info"])
    utterances = [Utterance(word(entry.get("speaker")), entry.get("text")) for entry in entries(record["utterances"])]
    meta = described(topic=info.get("topic"), category=info.get("category"), keyword=info.get("keyword"))
    yield Conversation(word(info.get("id")) or None, utterances, meta=meta)


def gathered(rows: Iterator[tuple[int, Any]]) -> Iterator[tuple[int, Any]]:
    """The rows of each dialogue as one record of the JSON's shape; a blank 대화ID goes on with the dialogue above."""
    start, info, utterances = 0, dict[str, Any](), list[dict[str, Any]]()
    for number, row in rows:
        if isinstance(row, Unreadable):
            yield number, row
            continue
        key = row.get("대화ID", "").strip()
        if not utterances or (key and key != info["id"]) or len(utterances) >= MOST_ROWS:
            if utterances:
                yield start, {"info": info, "utterances": utterances}
            start, utterances = number, []
            info = {"id": key, "topic": row.get("주제"), "keyword": row.get("키워드")}
        utterances.append({"speaker": row.get("발화자"), "text": row.get("발화")})
    if utterances:
        yield start, {"info": info, "utterances": utterances}
