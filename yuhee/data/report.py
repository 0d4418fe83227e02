"""What a reader saw: counts, and every line that it could not use."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from yuhee.data.dialogue import Dialogue


@dataclass
class ReadReport:
    """Filled while a reader runs; saved beside every run as `read_report.json`.

    Attributes:
        source: the reader's name. Paths and texts stay out: the report travels with logs.
        encoding: how the bytes were decoded.
        private: whether the corpus may hold personal text. True unless the reader recognises published bytes.
        dialogues, turns: how many were read.
        labels: user turns per emotion label.
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
    dialogues: int = 0
    turns: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    lines: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    continuations: int = 0
    skipped: list[tuple[int, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def skip(self, line: int, reason: str) -> None:
        self.skipped.append((line, reason))

    def count(self, dialogues: Iterable[Dialogue]) -> Iterator[Dialogue]:
        """Pass dialogues through and count them."""
        for dialogue in dialogues:
            self.dialogues += 1
            self.turns += len(dialogue.turns)
            self.labels.update(t.emotion for t in dialogue.turns if t.role == "user" and t.emotion is not None)
            yield dialogue

    def as_dict(self) -> dict[str, Any]:
        return {**vars(self), "labels": dict(sorted(self.labels.items())), "kinds": dict(self.kinds)}
