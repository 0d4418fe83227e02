"""Stand-ins of the same shape that can never be real, and that are known again when they are met."""

import re
from collections import Counter

from yuhee.data.privacy.checks import passes
from yuhee.data.privacy.found import Found

_DIGIT = re.compile("[0-9]")
_PHONE_ZEROS, _MANY_ZEROS = 2, 5
_LONG = 10
_BLOCK = 3  # digits of the counter at the end; the digit before them stays 0: 010-0000-0001


class Dummies:
    """Gives the same original the same dummy, and different originals different ones while digits last."""

    def __init__(self) -> None:
        self._given: dict[tuple[str, str], int] = {}
        self._last: Counter[str] = Counter()

    def of(self, found: Found, original: str) -> str:
        """The dummy of a find; `original` is its stretch of the shadow."""
        if found.kind == "email":
            return f"friend{self._number('email', compact(original).lower())}@example.com"
        if found.kind == "url_token":
            return f"token{self._number('url_token', original)}"
        if found.kind == "address":
            return f"{found.head}{self._number('address', compact(original))}{found.shape}"
        length, key = len(_DIGIT.findall(found.shape)), compact(found.head + found.shape)
        number = self._number(found.kind, key)
        while passes(found.kind, digits := spread(found.kind, number, length)):
            number = self._next(found.kind, key)
        return found.head + fill(found.shape, digits)

    def _number(self, kind: str, key: str) -> int:
        return self._given.get((kind, key)) or self._next(kind, key)

    def _next(self, kind: str, key: str) -> int:
        self._last[kind] += 1
        self._given[kind, key] = self._last[kind]
        return self._last[kind]


def compact(text: str) -> str:
    """Letters and digits alone: notations of one number are one number."""
    return "".join(filter(str.isalnum, text))


def _zeros(kind: str, length: int) -> int:
    """How many digits a dummy begins with that are always 0; behind a phone's prefix fewer are enough."""
    if kind == "phone":
        return _PHONE_ZEROS
    return _MANY_ZEROS if length >= _LONG else length - _BLOCK - 1


def spread(kind: str, number: int, length: int) -> str:
    """`length` digits that hold a counter (1 → 00000001, 1002 → 00010002); it starts anew when they are used up."""
    high, low = divmod(number, 10**_BLOCK)
    room = length - _zeros(kind, length) - _BLOCK - 1
    return f"{high % 10**room:0{length - _BLOCK - 1}}0{low:0{_BLOCK}}"[-length:]


def fill(shape: str, digits: str) -> str:
    """The shape with its digits replaced one by one."""
    rest = iter(digits)
    return _DIGIT.sub(lambda _: next(rest), shape)


def is_dummy(kind: str, digits: str) -> bool:
    """Whether digits (of a phone number: those behind the prefix) are one of our dummies: nobody's number."""
    zeros = _zeros(kind, len(digits))
    return digits.startswith("0" * zeros) and digits[-_BLOCK - 1 : -_BLOCK] == "0"
