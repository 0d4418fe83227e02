"""공감형 대화 (046): a speaker with an emotion and a listener who answers with empathy."""

from collections.abc import Iterator
from typing import Any

from yuhee.data.corpora.aihub.conversation import Conversation, Utterance, described, entries, first, mapping, word

SPEAKER, LISTENER = "speaker", "listener"


def is_record(record: dict[str, Any]) -> bool:
    return isinstance(record.get("info"), dict) and "role" in first(record.get("utterances"))


def conversations(record: dict[str, Any]) -> Iterator[Conversation]:
    """One conversation in the order of the numbers at the end of `utterance_id` (.2 before .10)."""
    info = mapping(record["info"])
    spoken = list(entries(record["utterances"]))
    numbers = [word(entry.get("utterance_id")).rpartition(".")[2] for entry in spoken]
    if all(number.isdecimal() and len(number) < 10 for number in numbers):
        spoken = [entry for _, entry in sorted(zip(map(int, numbers), spoken, strict=True), key=lambda pair: pair[0])]
    meta = described(
        relation=info.get("relation"), situation=info.get("situation"), speaker_relation=info.get("speaker_relation")
    )
    emotion = word(info.get("speaker_emotion")) or None
    yield Conversation(word(info.get("id")) or None, list(_utterances(spoken, emotion)), bot=LISTENER, meta=meta)


def _utterances(spoken: list[dict[str, Any]], emotion: str | None) -> Iterator[Utterance]:
    """The speaker's emotion holds until `speaker_changeEmotion` names another."""
    for entry in spoken:
        emotion = word(entry.get("speaker_changeEmotion")) or emotion
        role = word(entry.get("role"))
        problem = None if role in (SPEAKER, LISTENER) else "role이 speaker도 listener도 아닙니다"
        yield Utterance(role, entry.get("text"), emotion=emotion if role == SPEAKER else None, problem=problem)
