"""How much of the planted personal data the masker finds, and how often it changes ordinary sentences.

`python -m yuhee.data.privacy.figures tests/fixtures/privacy` prints the table.
"""

import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from yuhee.data.privacy.masker import Change, Masker

NOT_NUMBERS = ("name", "address", "email", "url_token")


@dataclass
class Figures:
    """Found and planted spans per kind, and changed ordinary lines.

    Attributes:
        found, planted: spans per kind.
        words, words_changed: lines in which a member's name stands as an ordinary word only.
        clean, clean_changed: lines of the clean corpus.
        spilt: lines with planted data in which something else was changed too.
        missed: `(line, kind)` of the spans that were not found, 1-based.
    """

    found: Counter[str] = field(default_factory=Counter)
    planted: Counter[str] = field(default_factory=Counter)
    words: int = 0
    words_changed: int = 0
    clean: int = 0
    clean_changed: list[int] = field(default_factory=list)
    spilt: list[int] = field(default_factory=list)
    missed: list[tuple[int, str]] = field(default_factory=list)

    def recall(self, *kinds: str) -> float:
        return sum(self.found[kind] for kind in kinds) / sum(self.planted[kind] for kind in kinds)

    @property
    def numbers(self) -> tuple[str, ...]:
        return tuple(kind for kind in self.planted if kind not in NOT_NUMBERS)


def measure(folder: Path) -> Figures:
    """Judge the masker by `planted.jsonl` and `clean.txt` of a folder."""
    figures = Figures()
    for number, line in enumerate(_lines(folder / "planted.jsonl"), start=1):
        _judge(figures, number, json.loads(line))
    masker = Masker()
    for number, text in enumerate(_lines(folder / "clean.txt"), start=1):
        figures.clean += 1
        if masker.mask(text) != text:
            figures.clean_changed.append(number)
    return figures


def _lines(file: Path) -> Iterator[str]:
    with file.open(encoding="utf-8") as lines:
        yield from (line.rstrip("\n") for line in lines)


def _judge(figures: Figures, number: int, planted: dict[str, Any]) -> None:
    text, spans = planted["text"], planted["spans"]
    masker = Masker(planted.get("members", ()))
    changes, masked = masker.changes(text), masker.mask(text)
    if not spans:
        figures.words += 1
        figures.words_changed += masked != text
        return
    for span in spans:
        figures.planted[span["kind"]] += 1
        if is_found(text, span["start"], span["end"], changes):
            figures.found[span["kind"]] += 1
        else:
            figures.missed.append((number, span["kind"]))
    if any(all(c.end <= s["start"] or c.start >= s["end"] for s in spans) for c in changes):
        figures.spilt.append(number)


def is_found(text: str, start: int, end: int, changes: list[Change]) -> bool:
    """Whether changes cover a span and none of them puts the span, or its digits, back."""
    covered: set[int] = set()
    dummies = ""
    for change in changes:
        if change.end > start and change.start < end:
            covered.update(range(change.start, change.end))
            dummies += change.dummy
    digits = re.sub(r"\D", "", text[start:end])
    back = text[start:end] in dummies or (len(digits) > 3 and digits in re.sub(r"\D", "", dummies))
    return covered.issuperset(range(start, end)) and not back


def table(figures: Figures) -> Table:
    """The figures as they stand in docs/privacy.md."""
    rows = Table("kind", "planted", "found", "recall")
    for kind in sorted(figures.planted):
        rows.add_row(kind, str(figures.planted[kind]), str(figures.found[kind]), f"{figures.recall(kind):.1%}")
    every = figures.numbers
    counts = str(sum(figures.planted[k] for k in every)), str(sum(figures.found[k] for k in every))
    rows.add_row("all numbers", *counts, f"{figures.recall(*every):.1%}", style="bold")
    return rows


def main(folder: str) -> None:
    figures = measure(Path(folder))
    console = Console()
    console.print(table(figures))
    changed = len(figures.clean_changed)
    console.print(f"ordinary sentences changed: {changed} of {figures.clean} ({changed / figures.clean:.2%})")
    console.print(f"names as ordinary words changed: {figures.words_changed} of {figures.words}")
    console.print(f"lines with planted data in which something else was changed: {len(figures.spilt)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
