"""The records of a JSON document, one after the other, in constant memory.

AI Hub's JSON holds raw control characters inside strings, NaN, lists of hundreds of MB and sometimes ends in the middle.
So the standard library's decoder (`strict=False`) reads one record after another from a sliding window of the text.
ijson is too strict for it, and takes memory in the square of the depth: 100 KB of `[` are gigabytes.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, TextIO

from yuhee.data.corpora.aihub.conversation import Unreadable

CHUNK = 2**18  # characters
LARGEST_RECORD = 2**22  # characters

_DECODER = json.JSONDecoder(strict=False)
_SPACE = re.compile(r"[\s,]*")
_SCALAR = r'(?:"[^"\\]{0,1000}"|[^\s"\[\]{},:]{1,30})'
_DATA_LIST = re.compile(r'\{\s*(?:"[^"\\]{0,100}"\s*:\s*' + _SCALAR + r'\s*,\s*){0,20}"data"\s*:\s*\[')


class _Broken(Exception):
    pass


class _Window:
    """The part of the text that is being read; `at` is the place in it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.text, self.at, self.ended = "", 0, False

    def grow(self) -> bool:
        """Drop what was read and read more, at least as much as is left; False at the end."""
        if not self.ended:
            rest = self.text[self.at :]
            more = self._stream.read(max(CHUNK, len(rest)))
            self.text, self.at, self.ended = rest + more, 0, not more
        return not self.ended

    def peek(self) -> str:
        """The next character that is neither space nor comma; empty at the end."""
        while True:
            self.at = _SPACE.match(self.text, self.at).end()  # type: ignore[union-attr]
            if self.at < len(self.text):
                return self.text[self.at]
            if not self.grow():
                return ""

    def value(self) -> Any:
        """The JSON value at the place, which moves behind it."""
        while True:
            try:
                value, end = _DECODER.raw_decode(self.text, self.at)
            except json.JSONDecodeError as error:
                # Broken where more text would not help: not at the end of the window, nor in an open string.
                cut = error.pos > len(self.text) - 16 or error.msg.startswith("Unterminated")
                if not cut or len(self.text) - self.at > LARGEST_RECORD or not self.grow():
                    raise _Broken from None
            except (ValueError, RecursionError):  # a number of thousands of digits; too deep
                raise _Broken from None
            else:
                if end < len(self.text) - 2 or self.ended or not isinstance(value, int | float):
                    self.at = end
                    return value
                self.grow()  # a number at the end of the window may go on, with `e+` and digits

    def to_next_line_of_json(self) -> bool:
        """Move to the next line that begins with `{`; False if there is none."""
        while (found := self.text.find("\n{", self.at)) < 0:
            self.at = max(self.at, len(self.text) - 1)
            if not self.grow():
                return False
        self.at = found + 1
        return True


def records(stream: TextIO) -> Iterator[Any]:
    """Yield the records of a list, of a `data` list in an object, of JSON lines, or the one object.

    What cannot be read is yielded as `Unreadable`: one record where each begins on its own line, else the rest.
    """
    window = _Window(stream)
    broken = False
    while opening := window.peek():
        try:
            if opening == "[":
                window.at += 1
                yield from _elements(window)
            elif opening == "{" and (data := _DATA_LIST.match(window.text, window.at)):
                window.at = data.end()
                yield from _elements(window)
                _rest_of_object(window)
            elif broken and opening in "]}":  # the end of what the broken record stood in
                window.at += 1
            else:
                yield from _expanded(window.value())
        except _Broken:
            broken = window.to_next_line_of_json()
            yield Unreadable(f"JSON이 깨져 있어 {'이 기록을' if broken else '여기부터 끝까지'} 읽지 못했습니다")
            if not broken:
                return


def _elements(window: _Window) -> Iterator[Any]:
    """The elements of a list whose bracket was read."""
    while (char := window.peek()) != "]":
        if not char:
            raise _Broken
        yield window.value()
    window.at += 1


def _rest_of_object(window: _Window) -> None:
    """Read over the keys behind the `data` list of an object."""
    if window.peek() == "}":
        window.at += 1
        return
    window.text, window.at = "{" + window.text[window.at :], 0
    window.value()


def _expanded(record: Any) -> Iterator[Any]:
    """The records of a `data` list that stands behind other lists or objects, else the record itself."""
    data = record.get("data") if isinstance(record, dict) else None
    yield from data if isinstance(data, list) else (record,)
