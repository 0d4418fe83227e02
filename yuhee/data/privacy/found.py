"""What the finders say: a stretch of a text and what it is."""

from collections.abc import Iterable
from typing import NamedTuple

LEAVE = ""  # kind of a stretch that is nobody's, and that no later finder may look at


class Found(NamedTuple):
    """A stretch of a text, in characters.

    Attributes:
        start, end: where it stands.
        kind: the kind of personal data, or `LEAVE`.
        head: how its dummy begins.
        shape: what follows `head`, to be filled with digits of the dummy, separators as they are.
    """

    start: int
    end: int
    kind: str
    head: str = ""
    shape: str = ""


def blank(shadow: str, found: Iterable[Found]) -> str:
    """The shadow with the found stretches crossed out, of the same length."""
    pieces, place = [], 0
    for item in found:
        pieces += [shadow[place : item.start], "\0" * (item.end - item.start)]
        place = item.end
    return "".join([*pieces, shadow[place:]]) if pieces else shadow
