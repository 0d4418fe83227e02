import errno
import gc
import io
import os
import pickle
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import dialogue
from yuhee.data import dialogue_store
from yuhee.data.chains import chained
from yuhee.data.dialogue import Dialogue, Turn
from yuhee.data.dialogue_store import Altered, DialogueStore, Selection, spooled, stored
from yuhee.data.splits import split
from yuhee.errors import UserError

ODD = st.text(st.characters(), max_size=4)  # half characters included
WORDS = st.text(min_size=1, max_size=5).filter(str.strip)
TURNS = st.builds(
    Turn,
    st.sampled_from(["user", "assistant"]),
    WORDS,
    st.none() | WORDS,
    st.none() | ODD,
    st.none() | ODD,
    st.integers(0, 1),
)
META = st.dictionaries(ODD, st.none() | st.booleans() | st.integers() | ODD | st.lists(ODD, max_size=2), max_size=3)
DIALOGUES = st.builds(
    Dialogue, ODD, st.lists(TURNS, min_size=1, max_size=3), st.lists(ODD, max_size=2), ODD, META, st.floats(0.01, 100)
)


def talks(count: int) -> list[Dialogue]:
    return [dialogue(f"질문 {n}", f"답 {n}", emotion=str(n % 3), name=f"d:{n}") for n in range(count)]


@given(st.lists(DIALOGUES, max_size=9), st.integers(1, 4))
def test_dialogues_come_back_as_they_were(dialogues: list[Dialogue], rows: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dialogue_store, "ROWS", rows)
        patch.setattr(dialogue_store, "READS", 2)
        store = spooled(iter(dialogues))
        assert list(store) == dialogues
        assert [(each.meta, type(each.turns), type(each.group_keys)) for each in store] == [
            (each.meta, tuple, tuple) for each in dialogues
        ]
        assert [each.content_hash() for each in store] == [each.content_hash() for each in dialogues]
        assert [store[-n] for n in range(1, len(store) + 1)] == dialogues[::-1]
        assert store.columns("hash")["hash"].to_pylist() == [bytes.fromhex(d.content_hash()) for d in dialogues]


@given(st.lists(st.integers(0, 6), max_size=9), st.slices(9))
def test_selections_and_slices_are_those_of_a_list(indices: list[int], part: slice) -> None:
    dialogues = talks(7)
    chosen = Selection(stored(dialogues), np.array(indices, dtype=np.int64))
    expected = [dialogues[index] for index in indices]
    assert chosen == expected
    assert expected[part] == chosen[part]
    assert chosen[part].columns("turns", "labels").to_pylist() == [
        {"turns": 2, "labels": [d.turns[0].emotion]} for d in expected[part]
    ]


def test_a_sequence_equals_one_of_equal_dialogues_and_no_other() -> None:
    store = spooled(talks(3))
    assert store == talks(3)
    assert store != talks(4)
    assert store != talks(3)[::-1]
    assert store != 3
    assert talks(3)[1] in store
    assert talks(5)[4] not in store


@pytest.mark.parametrize("index", [3, -4, 10**9])
def test_an_index_outside_is_an_error(index: int) -> None:
    with pytest.raises(IndexError):
        spooled(talks(3))[index]


def test_an_empty_store_is_a_sequence() -> None:
    store = spooled([])
    assert (len(store), list(store), store[:5] == []) == (0, [], True)
    assert store.columns("keys", "labels").num_rows == 0


def test_what_is_known_of_altered_dialogues_is_theirs() -> None:
    store = spooled(talks(5))
    changed = Altered(store, lambda d: Dialogue(d.id, d.turns[1:]))
    assert changed == [Dialogue(d.id, d.turns[1:]) for d in talks(5)]
    assert changed.columns("labels", "turns").to_pylist() == [{"labels": [], "turns": 1}] * 5
    assert store.columns("turns")["turns"].to_pylist() == [2] * 5


def test_a_sequence_that_is_stored_is_not_written_again() -> None:
    store = spooled(talks(2))
    assert stored(store) is store
    assert stored(store[1:]) == talks(2)[1:]


def test_no_more_dialogues_are_alive_than_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialogue_store, "ROWS", 16)
    alive = []
    before = sum(isinstance(one, Dialogue) for one in gc.get_objects())  # of other tests

    def counted(number: int, each: Dialogue) -> Dialogue:
        if number % 90 == 80:
            alive.append(sum(isinstance(one, Dialogue) for one in gc.get_objects()) - before)
        return each

    def corpus() -> Iterator[Dialogue]:
        for n in range(200):
            yield counted(n, dialogue(f"질문 {n}", f"답 {n}", name=f"d:{n}"))

    train = chained(split(spooled(corpus())).train, 0.5)
    for number, each in enumerate(train):
        counted(number, each)
    assert len(alive) >= 3
    assert max(alive) < 40


def test_the_file_has_no_name(tmp_path: Path) -> None:
    store = spooled(talks(2_500))
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == []
    assert store[2_499] == talks(2_500)[-1]


def test_where_no_cache_can_be_the_system_has_a_place(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    assert spooled(talks(2)) == talks(2)


@pytest.mark.parametrize("at", ["write", "flush"])
def test_a_full_disk_is_one_sentence(monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    broken = type("Full", (io.BytesIO,), {at: full})
    monkeypatch.setattr(dialogue_store.tempfile, "TemporaryFile", lambda **_: broken())
    with pytest.raises(UserError, match=r"임시로 둘 자리가 없습니다 \(No space left on device\)") as caught:
        spooled(talks(3))
    assert "\n" not in str(caught.value)


def test_an_error_of_the_reader_passes_as_it_is() -> None:
    def broken() -> Iterator[Dialogue]:
        yield dialogue("안녕", "응")
        raise OSError(errno.EIO, "the disk of the corpus")

    with pytest.raises(OSError, match="the disk of the corpus"):
        spooled(broken())


def test_a_pickled_store_brings_its_dialogues() -> None:
    parts = split(spooled(talks(20)))
    copy = pickle.loads(pickle.dumps(parts))
    assert isinstance(pickle.loads(pickle.dumps(spooled(talks(1)))), DialogueStore)
    assert (copy.train, copy.val, copy.test) == (parts.train, parts.val, parts.test)
