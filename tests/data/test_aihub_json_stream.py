"""JSON documents, record by record through a window, whole or broken."""

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yuhee.data.corpora.aihub import json_stream
from yuhee.data.corpora.aihub.conversation import Unreadable


def stream(text: str, size: int | None = None) -> list[Any]:
    """The records of a text, read through a window of that many characters."""
    before, json_stream.CHUNK = json_stream.CHUNK, size or json_stream.CHUNK
    try:
        return list(json_stream.records(io.StringIO(text, newline="")))
    finally:
        json_stream.CHUNK = before


LOST, REST = (Unreadable(f"JSON이 깨져 있어 {what} 읽지 못했습니다") for what in ("이 기록을", "여기부터 끝까지"))

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.just(']{}[,\n\\"'),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=3).filter(lambda k: k != "data"), inner, max_size=3)
    ),
    max_leaves=6,
)
SIZES = st.integers(1, 40)


@given(st.lists(VALUES, max_size=5), SIZES, st.sampled_from([None, 1]), st.booleans())
def test_a_list_comes_back_record_by_record(values: list[Any], size: int, indent: int | None, ascii_only: bool) -> None:
    assert stream(json.dumps(values, indent=indent, ensure_ascii=ascii_only), size) == values


@given(st.lists(VALUES, max_size=5), st.integers(0, 3), st.booleans(), SIZES)
def test_a_data_list_in_an_object_comes_back(values: list[Any], before: int, after: bool, size: int) -> None:
    record = {**{f"k{n}": f"값{n}" for n in range(before)}, "numberOfItems": 3, "data": values}
    record |= {"끝": [1, {"data": [2]}], "더": None} if after else {}
    assert stream(json.dumps(record), max(size, 200)) == values
    assert stream(json.dumps({"먼저": [1], **record})) == values


@given(
    st.lists(st.dictionaries(st.sampled_from("가나"), VALUES, max_size=2), max_size=5),
    SIZES,
    st.sampled_from(["\n", "\r\n", "", "\n\n"]),
)
def test_json_lines_come_back(values: list[dict[str, Any]], size: int, ending: str) -> None:
    assert stream(ending.join(map(json.dumps, values)), size) == values


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('["a\tb\nc\x01"]', ["a\tb\nc\x01"]),
        ("[Infinity, -1e999]", [float("inf"), float("-inf")]),
        ('{"a":1}\n{"a":\n{"a":2}', [{"a": 1}, LOST, {"a": 2}]),
        ('{"a"}\r\n{"a":2}\r\n', [LOST, {"a": 2}]),
        ('[\n{"a":1},\n{"a"},\n{"a":2}\n]', [{"a": 1}, LOST, {"a": 2}]),
        ('[{"a":1},{"a":2},{"a', [{"a": 1}, {"a": 2}, REST]),
        ('[{"a":1}', [{"a": 1}, REST]),
        ('[{"a":1}] 안녕', [{"a": 1}, REST]),
        ("[" * 100_000, [REST]),
        ('{"a":' * 100_000, [REST]),
        ("[" + "9" * 5000 + "]", [REST]),
        ('["\\x"]', [REST]),
        ("]", [REST]),
        ("[12", [12, REST]),
        ("{}", [{}]),
        ("[]", []),
    ],
)
@pytest.mark.parametrize("size", [3, None])
def test_what_cannot_be_read_is_said(text: str, found: list[Any], size: int | None) -> None:
    assert stream(text, size) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"numberOfItems":1,"data":[\n{"a"},\n{"b":2}\n]}', [LOST, {"b": 2}]),
        ('{"data":[{"a":1}], "b"', [{"a": 1}, REST]),
        ('{"data":[{"a":1}]', [{"a": 1}, REST]),
        ('{"data":[{"a":1}', [{"a": 1}, REST]),
        ('{"data":{"a":1}}', [{"data": {"a": 1}}]),
    ],
)
def test_what_cannot_be_read_of_a_data_list_is_said(text: str, found: list[Any]) -> None:
    assert stream(text) == found


class Endless(io.StringIO):
    """A text without end, and how many characters of it were asked for."""

    def __init__(self, start: str, filler: str, size: int) -> None:
        super().__init__(start)
        self.filler, self.left, self.largest, self.reads = filler, size, 0, 0

    def read(self, size: int | None = -1, /) -> str:
        assert size is not None
        self.largest, self.reads = max(self.largest, size), self.reads + 1
        text = super().read(size)
        if not text and self.left > 0:
            self.left -= size
            text = self.filler * size
        return text


@pytest.mark.parametrize("filler", ["가", " ", "["])
def test_a_record_without_end_is_given_up_in_bounded_memory(monkeypatch: pytest.MonkeyPatch, filler: str) -> None:
    monkeypatch.setattr(json_stream, "CHUNK", 1000)
    monkeypatch.setattr(json_stream, "LARGEST_RECORD", 10_000)
    endless = Endless('[{"a":"b"},{"a":"', filler, 1_000_000)
    assert list(json_stream.records(endless)) == [{"a": "b"}, REST]
    assert endless.left <= 0
    assert endless.largest <= 20_000


def test_a_large_record_takes_few_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_stream, "CHUNK", 1000)
    endless = Endless('["', "가", 1_000_000)
    assert list(json_stream.records(endless)) == [REST]
    assert endless.reads <= 15


def test_a_long_list_is_read_a_window_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_stream, "CHUNK", 1000)
    text = io.StringIO(json.dumps([{"n": n} for n in range(10_000)]))
    for number, record in enumerate(json_stream.records(text)):
        assert record == {"n": number}
        assert text.tell() <= 13 * (number + 1) + 2000
    assert number == 9999
