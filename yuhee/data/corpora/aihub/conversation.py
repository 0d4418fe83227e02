"""What every shape of AI Hub record turns into before roles are given out, and safe access to JSON of any kind."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

_DATE = re.compile(r"(\d{4})[-./]?(\d{1,2})[-./]?(\d{1,2})\.?")
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?")


@dataclass(slots=True)
class Utterance:
    """One utterance as it stands in a record.

    Args:
        speaker: who speaks, by the record's own name; empty where the record does not say.
        text: whatever stands there; the assembly refuses what is no text.
        time: ISO 8601 local, to the minute.
        emotion: the speaker's emotion; given to user turns only.
        problem: why the utterance is of no use, for the report.
        counted: False where the same utterance stands in several conversations and was counted in an earlier one.
    """

    speaker: str
    text: Any
    time: str | None = None
    emotion: str | None = None
    problem: str | None = None
    counted: bool = True


@dataclass(slots=True)
class Conversation:
    """The utterances of one dialogue, in order.

    Args:
        key: the corpus's own id of the dialogue; a second dialogue with it is a copy. None where there is none.
        bot: the speaker who is the assistant, None where the corpus favours no side.
        group: what joins dialogues that must not be torn by a split; `key` if None.
        order: the speakers as they began to speak, where that is known from more than this dialogue.
        copy_key: a further name of the same dialogue, for corpora that come in two file formats.
    """

    key: str | None
    utterances: list[Utterance]
    bot: str | None = None
    group: str | None = None
    order: tuple[str, ...] = ()
    copy_key: str | None = None
    meta: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record, or the rest of a file, that could not be read, and why."""

    reason: str


def mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def entries(value: Any) -> Iterator[dict[str, Any]]:
    """The entries of a list; one that is no object counts as an empty one, so that it is reported as such."""
    return (mapping(entry) for entry in (value if isinstance(value, list) else ()))


def first(value: Any) -> dict[str, Any]:
    return next(entries(value), {})


def word(value: Any) -> str:
    """A name, id or label as NFC text without surrounding spaces; empty if it is none."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    try:
        text = unicodedata.normalize("NFC", str(value)).strip()
        text.encode()
    except ValueError:  # half a character, or a number of thousands of digits
        return ""
    return text


def described(**values: Any) -> dict[str, Any]:
    """Metadata without the empty ones."""
    return {name: text for name, value in values.items() if (text := word(value))}


def iso_time(date: Any, clock: Any) -> str | None:
    """`2020-11-11T14:18` from `2020-11-11` and `14:18:00` or `14:18`; None if there is no such date or time."""
    return _iso_time(date[:20], clock[:20]) if isinstance(date, str) and isinstance(clock, str) else None


@lru_cache(maxsize=4096)
def _iso_time(date: str, clock: str) -> str | None:
    day, time = _DATE.fullmatch(date.strip()), _CLOCK.fullmatch(clock.strip())
    if day is None or time is None:
        return None
    try:
        moment = datetime(*map(int, day.groups()), *(int(part or 0) for part in time.groups()))  # type: ignore[arg-type]
    except ValueError:
        return None
    return moment.isoformat(timespec="minutes")
