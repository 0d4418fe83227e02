"""주제별 텍스트 일상 대화 (020) and 용도별 목적대화 (021): one file per dialogue."""

import re
from collections.abc import Iterator
from typing import Any

from yuhee.data.corpora.aihub.conversation import Conversation, Utterance, described, entries, first, mapping, word

AGENT = "A"  # 상담원 in 021; speakers of 020 have numbers

_PREFIX = re.compile(r"\s*([A-Z]|\d+)\s*[.:：]\s*")


def is_record(record: dict[str, Any]) -> bool:
    return isinstance(mapping(first(record.get("info")).get("annotations")).get("lines"), list)


def conversations(record: dict[str, Any]) -> Iterator[Conversation]:
    """One conversation per entry of `info`. Who speaks is `speaker.id`, never the parity of the line."""
    for info in entries(record["info"]):
        notes = mapping(info.get("annotations"))
        utterances = [_utterance(line) for line in entries(notes.get("lines"))]
        bot = AGENT if any(each.speaker == AGENT for each in utterances) else None
        meta = described(
            topic=notes.get("subject"), category=info.get("category"), speaker_type=notes.get("speaker_type")
        )
        yield Conversation(word(info.get("filename")) or None, utterances, bot=bot, meta=meta)


def _utterance(line: dict[str, Any]) -> Utterance:
    """`norm_text`, or `text` without its prefix `1 : `; the prefix also names the speaker where nothing else does."""
    raw, plain = line.get("text"), line.get("norm_text")
    speaker = word(mapping(line.get("speaker")).get("id"))
    if isinstance(raw, str) and (prefix := _PREFIX.match(raw)):
        raw = raw[prefix.end() :]
        speaker = speaker or (f"{prefix[1]}번" if prefix[1].isdigit() else prefix[1])
    return Utterance(speaker, plain if isinstance(plain, str) and plain.strip() else raw)
