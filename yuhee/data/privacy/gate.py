"""Fails closed: whatever comes from a user's own file is masked, unless the user says that it is public."""

import re
from collections.abc import Iterable, Iterator
from itertools import chain, islice

from yuhee.data.dialogue import Dialogue
from yuhee.data.dialogue_store import spooled
from yuhee.data.privacy.masker import Masker
from yuhee.data.report import ReadReport

OURS = ("유희", "유희지희")
_LABEL = re.compile(r"(speaker|user|participant|person|화자|사용자|p|s)?[ _-]?([a-z]|\d+)?번?", re.IGNORECASE)


def protect(dialogues: Iterable[Dialogue], report: ReadReport, *, public: bool = False) -> Iterator[Dialogue]:
    """Mask a reader's dialogues and count what was replaced, in `report.masked`.

    A reader may have settled the matter itself: `report.private` is False for published bytes, and an import that
    the user refused to mask says `unmasked`. An import that was masked already is masked again, but its speakers
    are pseudonyms by then.

    The names to look for are those of all speakers, so a corpus that was not masked before is read to its end (onto
    disk, as `spooled` does) before the first dialogue comes out.
    """
    stream = iter(dialogues)
    first = list(islice(stream, 1))  # a reader settles the matter before its first dialogue
    corpus: Iterable[Dialogue] = chain(first, stream)
    if report.privacy == "unmasked" or not report.private:
        yield from corpus
        return
    if public:
        report.private = False
        yield from corpus
        return
    if report.privacy == "masked":
        masker = Masker(keep=OURS)
    else:
        corpus = spooled(corpus)
        masker = Masker(members(corpus), keep=OURS)
    report.privacy = "masked"
    for dialogue in corpus:
        yield masker.dialogue(dialogue)
    report.masked = masker.counts


def members(dialogues: Iterable[Dialogue]) -> list[str]:
    """Names of everybody who speaks, in order of appearance; `P01` and `1번` are no names."""
    speakers = dict.fromkeys(t.speaker for d in dialogues for t in d.turns if t.speaker)
    return [name for name in speakers if not _LABEL.fullmatch(name)]
