"""Damaged copies of every fixture: nothing but a UserError comes out, and everything is accounted for."""

import copy
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yuhee.data.corpora import aihub
from yuhee.data.report import ReadReport

FIXTURES = sorted((Path(__file__).resolve().parents[1] / "fixtures" / "aihub").iterdir())
JSON_FIXTURES = [file for file in FIXTURES if file.suffix == ".json"]
FEWER = 30  # examples for each fixture
SIDES = ("first", "second", "both")


def check(path: Path, **options: Any) -> ReadReport:
    """Read and hold the report against what came out."""
    report = ReadReport("aihub")
    dialogues = list(aihub.read(str(path), report, **options))
    assert report.lines == report.kinds.total() + len(report.skipped)
    assert report.lines > 0
    for dialogue in dialogues:
        assert {turn.role for turn in dialogue.turns} == {"user", "assistant"}
        assert len(dialogue.content_hash()) == 32
        json.dumps([dialogue.id, dialogue.group_keys, dict(dialogue.meta)], ensure_ascii=False).encode()
    return report


def damaged(data: bytes, changes: list[tuple[str, float, bytes]]) -> bytes:
    for kind, place, content in changes:
        at = int(place * len(data))
        if kind == "cut":
            data = data[:at]
        elif kind == "drop":
            data = data[:at] + data[at + len(content) + 1 :]
        elif kind == "insert":
            data = data[:at] + content + data[at:]
        elif kind == "repeat":
            data = data[:at] + data[at // 2 :]
        else:
            data = data[:at] + content + data[at + len(content) :]
    return data


BYTES = st.binary(min_size=1, max_size=4) | st.sampled_from(
    [b'"', b"{", b"}", b"[", b"]", b",", b"\\", b"\n", b"\r\n", b"\0", b"\xff\xfe", "가".encode(), b"\xb0\xa1", b"NaN"]
)
CHANGES = st.lists(
    st.tuples(st.sampled_from(["cut", "drop", "insert", "repeat", "write"]), st.floats(0, 1), BYTES),
    min_size=1,
    max_size=3,
)


@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda file: file.name)
@settings(max_examples=FEWER)
@given(changes=CHANGES, side=st.sampled_from(SIDES))
def test_damaged_bytes(tmp_path: Path, fixture: Path, changes: list[tuple[str, float, bytes]], side: str) -> None:
    (tmp_path / fixture.name).write_bytes(damaged(fixture.read_bytes(), changes))
    check(tmp_path / fixture.name, bot_speaker=side)


@given(changes=CHANGES, level=st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))
def test_a_damaged_zip(tmp_path: Path, changes: list[tuple[str, float, bytes]], level: int) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", level) as file:
        for fixture in JSON_FIXTURES[:4]:
            file.write(fixture, fixture.name)
    data = (tmp_path / "a.zip").read_bytes()
    (tmp_path / "a.zip").write_bytes(damaged(data, changes) or b"x")
    report = ReadReport("aihub")
    list(aihub.read(str(tmp_path / "a.zip"), report))
    assert report.lines == report.kinds.total() + len(report.skipped)
    assert report.lines > 0 or report.notes  # a damaged name may have another ending


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every part of a JSON value but the whole."""
    for key, part in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield (*path, key)
        yield from places(part, (*path, key))


def altered(value: Any, place: float, junk: Any) -> Any:
    """A copy with one part replaced by junk, or removed if that is "drop"."""
    value = copy.deepcopy(value)
    paths = list(places(value))
    path = paths[min(int(place * len(paths)), len(paths) - 1)]
    parent = value
    for key in path[:-1]:
        parent = parent[key]
    if junk == "drop":
        del parent[path[-1]]
    else:
        parent[path[-1]] = junk
    return value


JUNK = st.one_of(
    st.sampled_from(
        ["drop", None, True, 0, -1, 1.5, float("nan"), 10**30, "", " ", "\ud800", [], {}, [[]], [None], "A"]
    ),
    st.text(max_size=3),
    st.lists(st.none() | st.integers() | st.text(max_size=2), max_size=2),
    st.dictionaries(
        st.sampled_from(["speaker", "text", "role", "id", "dialogue", "data"]), st.none() | st.text(max_size=2)
    ),
)


@pytest.mark.parametrize("fixture", JSON_FIXTURES, ids=lambda file: file.name)
@settings(max_examples=FEWER)
@given(data=st.data(), side=st.sampled_from(SIDES))
def test_junk_in_place_of_any_part(tmp_path: Path, fixture: Path, data: st.DataObject, side: str) -> None:
    value = json.loads(fixture.read_text(encoding="utf-8"))
    for _ in range(data.draw(st.integers(1, 3))):
        value = altered(value, data.draw(st.floats(0, 1)), data.draw(JUNK)) if list(places(value)) else [None]
    (tmp_path / "a.json").write_text(json.dumps(value), encoding="utf-8")
    check(tmp_path / "a.json", bot_speaker=side)


@given(st.binary(max_size=60), st.sampled_from([".json", ".jsonl", ".csv", ".tsv", ".xlsx", ".zip", ".txt"]))
def test_any_bytes_under_any_name(tmp_path: Path, content: bytes, ending: str) -> None:
    (tmp_path / f"a{ending}").write_bytes(content)
    report = check(tmp_path / f"a{ending}")
    assert report.kinds.total() == 0
