"""Several corpora as one, with weights and caps."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from yuhee.data.corpus import Corpus
from yuhee.data.dialogue import Dialogue, draw
from yuhee.data.dialogue_store import Dialogues, Indices, Selection, stored
from yuhee.data.digests import Halves, corpus_hash, halves, in_hex, is_new, sorting
from yuhee.data.report import PRIVACY, ReadReport


@dataclass(frozen=True)
class Ingredient:
    """A corpus with the times its dialogues are seen in an epoch, and the most to take of them."""

    corpus: Corpus
    weight: float = 1.0
    cap: int | None = None


def mixed(name: str, ingredients: Mapping[str, Ingredient]) -> Corpus:
    """One corpus of all dialogues, whose groups are joined across the parts when it is split.

    A dialogue that stands in several parts is taken once, with the largest weight. Weights act on training alone.
    """
    report = ReadReport(source=name, private=False)
    parts = [_Part(part, ingredient) for part, ingredient in ingredients.items()]
    for part in parts:
        _fold(report, part.name, part.ingredient.corpus.report, part.distinct)
    found = _joined(parts)
    dialogues = stored(report.count(found))
    if (copies := sum(part.distinct for part in parts)) > len(dialogues):
        report.notes.append(f"여러 곳에 든 같은 대화 {copies - len(dialogues):,}개는 한 번만 넣었습니다.")
    return Corpus(dialogues, report, corpus_hash(dialogues))


class _Part:
    """What is taken of an ingredient, with its copies: the same `cap` dialogues for every order of the file.

    Attributes:
        indices: into the ingredient's dialogues.
        hashes: of the content, one per index.
        distinct: how many different ones there are.
    """

    def __init__(self, name: str, ingredient: Ingredient) -> None:
        self.name = name
        self.ingredient = ingredient
        self.dialogues = stored(ingredient.corpus.dialogues)
        self.hashes: Halves = halves(self.dialogues.columns("hash")["hash"])
        self.indices: Indices = np.arange(len(self.hashes))
        by_hash = sorting(self.hashes)
        number = np.cumsum(is_new(self.hashes[by_hash]))  # of each among the different ones, from 1
        self.distinct = int(number[-1]) if len(number) else 0
        if ingredient.cap is not None:
            self.indices = by_hash[number <= ingredient.cap]
            self.hashes = self.hashes[self.indices]
            self.distinct = min(self.distinct, ingredient.cap)

    def dialogue(self, place: int) -> Dialogue:
        """One of those that are taken, weighed, its id beginning with the part's name."""
        found = self.dialogues.at(int(self.indices[place]))
        return replace(found, id=f"{self.name}/{found.id}", repeat=found.repeat * self.ingredient.weight)


def _joined(parts: list[_Part]) -> Iterator[Dialogue]:
    """Each dialogue once, where it stands first.

    One that stands in several places belongs to the groups of all of them, in whichever order they are read.
    """
    ends = np.cumsum([len(part.indices) for part in parts])
    hashes = np.concatenate([part.hashes for part in parts])
    order = sorting(hashes)
    starts = np.flatnonzero(is_new(hashes[order]))
    counts = np.diff(starts, append=len(order))
    by_place = np.argsort(order[starts])
    for start, count in zip(starts[by_place], counts[by_place], strict=True):
        copies = []
        for place in order[start : start + count].tolist():
            number = int(np.searchsorted(ends, place, side="right"))
            copies.append(parts[number].dialogue(place - int(ends[number]) + len(parts[number].indices)))
        keys = copies[0].group_keys if count == 1 else sorted({key for copy in copies for key in copy.group_keys})
        yield replace(copies[0], group_keys=tuple(keys), repeat=max(copy.repeat for copy in copies))


def _fold(report: ReadReport, part: str, other: ReadReport, taken: int) -> None:
    report.private |= other.private
    report.privacy = max(report.privacy, other.privacy, key=PRIVACY.index)
    report.origins += other.origins
    report.masked += other.masked
    report.lines += other.lines
    report.kinds += other.kinds
    report.continuations += other.continuations
    report.skipped += [(line, f"{part}: {reason}") for line, reason in other.skipped]
    among = f" 가운데 {taken:,}개" if taken < other.dialogues else ""
    report.notes += [f"{part}: 대화 {other.dialogues:,}개{among}", *(f"{part}: {note}" for note in other.notes)]


def repeated(dialogues: Iterable[Dialogue]) -> Dialogues:
    """Training dialogues as often as their weight says; a fraction takes the same ones every time."""
    once = stored(dialogues)
    known = once.columns("hash", "repeat")
    whole, fraction = np.divmod(known["repeat"].to_numpy(), 1.0)
    if (whole == 1).all() and not fraction.any():
        return once
    chance = np.fromiter(map(draw, in_hex(halves(known["hash"]))), np.float64, len(once))
    return Selection(once, np.repeat(np.arange(len(once)), whole.astype(np.int64) + (chance < fraction)))
