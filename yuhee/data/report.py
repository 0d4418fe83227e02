"""What a reader saw: counts, distributions, and every line that it could not use."""

import hashlib
import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from yuhee.data.dialogue import Dialogue, Turn
from yuhee.data.register import ending, register

LONG_TURN = 200  # characters; longer turns are counted as this long
MANY_TURNS = 100  # longer dialogues are counted as this long
ENDINGS_SHOWN = 10  # per register
COMMON = 3  # an ending said less often may be somebody's name
WEEKDAYS = "월화수목금토일"
NUMBERED = ("dialogue_turns", "turn_characters", "hours", "weekdays")  # counters over numbers, which JSON spells out
PRIVACY = ("public", "masked", "unmasked")  # from the least to the most personal


@dataclass
class ReadReport:
    """Filled while a reader runs; saved beside every run as `read_report.json` and as a page.

    Names, paths and texts stay out: the report travels with logs. Speakers appear as hashes.

    Attributes:
        source: the reader's name.
        encoding: how the bytes were decoded.
        private: whether the corpus may hold personal text. True unless the reader recognises published bytes.
        privacy: what was done about it: `public` (nothing to do), `masked`, or `unmasked` (the user refused).
        masked: replaced items per kind of personal data.
        origins: hashes of the places the corpus was read from, by which `yuhee forget` finds what was made from it.
        dialogues, turns: how many were read.
        labels: user turns per emotion label.
        speakers: turns per role, with a hash of the name where the corpus has names.
        dialogue_turns: dialogues per number of turns, up to `MANY_TURNS`.
        turn_characters: turns per number of characters, up to `LONG_TURN`.
        hours, weekdays: turns per hour (0 – 23) and weekday (0: Monday) where the corpus has times.
        registers: replies per register (반말, 해요, 합니다).
        endings: replies per register and ending, as `반말 했어`.
        lines: lines or records in the source; a reader accounts for each as a record of some kind, a continuation of
            one, or a skipped line.
        kinds: records per kind (`text`, `photo`, `notice` …) where a format has more than text.
        continuations: lines that continue a record.
        skipped: `(line, reason)` of every record that was left out, 1-based.
        notes: anything else worth a sentence.
    """

    source: str
    encoding: str = ""
    private: bool = True
    privacy: str = "public"
    masked: Counter[str] = field(default_factory=Counter)
    origins: list[str] = field(default_factory=list)
    dialogues: int = 0
    turns: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    speakers: Counter[str] = field(default_factory=Counter)
    dialogue_turns: Counter[int] = field(default_factory=Counter)
    turn_characters: Counter[int] = field(default_factory=Counter)
    hours: Counter[int] = field(default_factory=Counter)
    weekdays: Counter[int] = field(default_factory=Counter)
    registers: Counter[str] = field(default_factory=Counter)
    endings: Counter[str] = field(default_factory=Counter)
    lines: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    continuations: int = 0
    skipped: list[tuple[int, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def skip(self, line: int, reason: str) -> None:
        self.skipped.append((line, reason))

    def note_origin(self, path: Path) -> None:
        """Remember where the corpus came from, as a hash: a path may hold a name."""
        self.origins.append(origin_of(path))

    def count(self, dialogues: Iterable[Dialogue]) -> Iterator[Dialogue]:
        """Pass dialogues through and count them."""
        for dialogue in dialogues:
            self.dialogues += 1
            self.turns += len(dialogue.turns)
            self.dialogue_turns[min(len(dialogue.turns), MANY_TURNS)] += 1
            for turn in dialogue.turns:
                self._count_turn(turn)
            yield dialogue

    def _count_turn(self, turn: Turn) -> None:
        self.turn_characters[min(len(turn.text), LONG_TURN)] += 1
        self.speakers[f"{turn.role} {_hash(turn.speaker)}" if turn.speaker else turn.role] += 1
        if turn.time and (moment := _moment(turn.time)):
            self.hours[moment.hour] += 1
            self.weekdays[moment.weekday()] += 1
        if turn.role == "user" and turn.emotion is not None:
            self.labels[turn.emotion] += 1
        elif turn.role == "assistant":
            level = register(turn.text)
            self.registers[level] += 1
            self.endings[f"{level} {ending(turn.text)}"] += 1

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON, counters in a fixed order."""
        values = {
            key: dict(sorted(value.items())) if isinstance(value, Counter) else value
            for key, value in vars(self).items()
        }
        return {**values, "endings": self.top_endings()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "ReadReport":
        """The report behind `as_dict` (the endings that were left out stay out), also one with fewer figures."""
        report = cls(str(values.get("source", "")))
        for key, old in vars(report).items():
            new = values.get(key, old)
            if isinstance(old, Counter):
                new = Counter({int(name) if key in NUMBERED else name: count for name, count in new.items()})
            setattr(report, key, new)
        return report

    def top_endings(self) -> dict[str, int]:
        """The most frequent endings of each register."""
        shown: Counter[str] = Counter()
        top = {}
        for name, count in sorted(self.endings.items(), key=lambda item: (-item[1], item[0])):
            level = name.split(" ")[0]
            shown[level] += 1
            if shown[level] <= ENDINGS_SHOWN and count >= COMMON:
                top[name] = count
        return top


def origin_of(path: Path) -> str:
    """Hash of where a path leads, however it is spelled or linked (32 hex digits)."""
    place = unicodedata.normalize("NFC", os.path.realpath(path.expanduser()))
    return hashlib.blake2b(os.fsencode(place), digest_size=16).hexdigest()


def _hash(name: str) -> str:
    return hashlib.blake2b(name.encode(), digest_size=3).hexdigest()


def _moment(time: str) -> datetime | None:
    try:
        return datetime.fromisoformat(time)
    except ValueError:
        return None
