"""Several corpora as one, with weights and caps."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

from yuhee.data.corpus import Corpus
from yuhee.data.dialogue import Dialogue, corpus_hash
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
    found: dict[str, Dialogue] = {}
    copies = 0
    for part, ingredient in ingredients.items():
        taken = _capped(part, ingredient)
        for key, dialogue in taken.items():
            found[key] = _joined(found[key], dialogue) if key in found else dialogue
        copies += len(taken)
        _fold(report, part, ingredient.corpus.report, len(taken))
    if copies > len(found):
        report.notes.append(f"여러 곳에 든 같은 대화 {copies - len(found):,}개는 한 번만 넣었습니다.")
    dialogues = list(report.count(found.values()))
    return Corpus(dialogues, report, corpus_hash(dialogues))


def _capped(part: str, ingredient: Ingredient) -> dict[str, Dialogue]:
    """Content hash → dialogue, each once and weighed; the same `cap` ones for every order of the file."""
    found: dict[str, Dialogue] = {}
    for dialogue in ingredient.corpus.dialogues:
        key = dialogue.content_hash()
        weighed = replace(dialogue, id=f"{part}/{dialogue.id}", repeat=dialogue.repeat * ingredient.weight)
        found[key] = _joined(found[key], weighed) if key in found else weighed
    return found if ingredient.cap is None else {key: found[key] for key in sorted(found)[: ingredient.cap]}


def _joined(one: Dialogue, other: Dialogue) -> Dialogue:
    """A dialogue that stands in two places belongs to the groups of both, in whichever order they are read."""
    keys = tuple(sorted({*one.group_keys, *other.group_keys}))
    return replace(one, group_keys=keys, repeat=max(one.repeat, other.repeat))


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


def repeated(dialogues: list[Dialogue]) -> list[Dialogue]:
    """Training dialogues as often as their weight says; a fraction takes the same ones every time."""
    result = []
    for dialogue in dialogues:
        whole, fraction = divmod(dialogue.repeat, 1.0)
        draw = int.from_bytes(hashlib.blake2b(dialogue.content_hash().encode(), digest_size=8).digest()) / 2**64
        result += [dialogue] * (int(whole) + (draw < fraction))
    return result
