import errno
import gc
import io
import logging
import os
import pickle
import stat
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import dialogue
from yuhee.data import example_store
from yuhee.data.dialogue import Dialogue
from yuhee.data.encoding.causal_lm import CausalLMEncoder
from yuhee.data.encoding.reply_example import Collate, Example
from yuhee.data.example_store import ExampleStore, encode_cached
from yuhee.errors import UserError


class Counting:
    """An encoder that counts how often it is asked."""

    def __init__(self, encoder: CausalLMEncoder) -> None:
        self.encoder = encoder
        self.calls = 0

    def __call__(self, dialogues: Sequence[Dialogue]) -> list[Example]:
        self.calls += 1
        return self.encoder.encode(dialogues)


@pytest.fixture
def encode(encoder: CausalLMEncoder) -> Counting:
    return Counting(encoder)


@pytest.fixture
def splits() -> dict[str, list[Dialogue]]:
    dialogues = [dialogue(f"질문 {n}", f"답 {n}ㅋㅋ", emotion=str(n % 3), name=f"대화:{n}") for n in range(9)]
    return {"train": dialogues[:6], "val": dialogues[6:8], "test": dialogues[8:]}


def refuse(_: Sequence[Dialogue]) -> list[Example]:
    raise AssertionError("encoded again")


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_a_corpus_is_encoded_once_and_then_only_opened(
    encode: Counting, splits: dict[str, list[Dialogue]], tmp_path: Path
) -> None:
    folder = tmp_path / "deep" / "cache"
    first = encode_cached(splits, encode, folder, Example)
    assert encode.calls == 3
    again = encode_cached(splits, refuse, folder, Example)
    for name, dialogues in splits.items():
        expected = encode.encoder.encode(dialogues)
        assert list(first[name]) == list(again[name]) == expected
        assert again[name].lengths.tolist() == [len(example.input_ids) for example in expected]
    assert leftovers(folder.parent) == ["cache"]
    assert leftovers(folder) == ["test.arrow", "train.arrow", "val.arrow"]


def test_many_record_batches_are_one_sequence(
    encode: Counting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(example_store, "BATCH", 2)
    dialogues = [dialogue("가" * (n + 1), "나" * (9 - n), name=str(n)) for n in range(7)]
    store = encode_cached({"train": dialogues}, encode, tmp_path / "cache", Example)["train"]
    assert encode.calls == 4
    assert [example.id for example in store] == list("0123456")
    assert store[5] == encode.encoder.encode(dialogues)[5]
    assert store.lengths.tolist() == [len(example.input_ids) for example in store]
    assert store.total("characters") == sum(10 - n for n in range(7))


def test_values_are_plain_and_every_column_survives(tmp_path: Path) -> None:
    made = Example("뷁\n😊", [1, 51199, 0], [0, 1, 2], 12, 3, dropped=2, cut=4, cut_replies=1)
    store = encode_cached({"train": [dialogue("가", "나")]}, lambda _: [made], tmp_path / "cache", Example)["train"]
    assert store[0] == made
    assert store[np.int64(0)] == made
    assert [store.total(name) for name in ("characters", "lost", "dropped", "cut", "cut_replies")] == [12, 3, 2, 4, 1]
    assert {type(value) for value in (*store[0].input_ids, *store[0].kinds, store[0].lost)} == {int}


def test_an_index_outside_is_an_error(encode: Counting, splits: dict[str, list[Dialogue]], tmp_path: Path) -> None:
    store = encode_cached(splits, encode, tmp_path / "cache", Example)["train"]
    for index in (6, -1, 1000):
        with pytest.raises(IndexError):
            store[index]


def test_an_empty_split_is_an_empty_store(encode: Counting, tmp_path: Path) -> None:
    splits: dict[str, list[Dialogue]] = {"train": [dialogue("가", "나")], "val": []}
    encode_cached(splits, encode, tmp_path / "cache", Example)
    store = encode_cached(splits, refuse, tmp_path / "cache", Example)["val"]
    assert len(store) == 0
    assert list(store) == []
    assert store.lengths.tolist() == []
    assert store.total("lost") == 0


def test_a_pickled_store_opens_the_file_again(
    encode: Counting, splits: dict[str, list[Dialogue]], tmp_path: Path
) -> None:
    store = encode_cached(splits, encode, tmp_path / "cache", Example)["train"]
    pickled = pickle.dumps(store)
    assert len(pickled) < 500
    copy = pickle.loads(pickled)
    assert list(copy) == list(store)
    assert copy.lengths.tolist() == store.lengths.tolist()


def _assert_rebuilt(
    encode: Counting, splits: dict[str, list[Dialogue]], folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    encode.calls = 0
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        stores = encode_cached(splits, encode, folder, Example)
    assert encode.calls == len(splits)
    assert f"인코딩 캐시가 손상되어 다시 만듭니다: {folder.name}" in caplog.text
    assert {name: list(store) for name, store in stores.items()} == {
        name: encode.encoder.encode(dialogues) for name, dialogues in splits.items()
    }
    assert leftovers(folder.parent) == [folder.name]
    encode_cached(splits, refuse, folder, Example)


@pytest.mark.parametrize("damage", [b"", b"garbage", b"ARROW1\0\0" + b"\0" * 200, b"\xff" * 4096])
def test_a_garbage_file_is_rebuilt_with_a_warning(
    encode: Counting,
    splits: dict[str, list[Dialogue]],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    damage: bytes,
) -> None:
    folder = tmp_path / "caches" / "cache"
    encode_cached(splits, encode, folder, Example)
    (folder / "val.arrow").write_bytes(damage)
    _assert_rebuilt(encode, splits, folder, caplog)


def test_a_file_truncated_anywhere_is_rebuilt(
    encode: Counting, splits: dict[str, list[Dialogue]], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "caches" / "cache"
    encode_cached(splits, encode, folder, Example)
    whole = (folder / "train.arrow").read_bytes()
    for length in (1, 8, len(whole) // 2, len(whole) - 20, len(whole) - 1):
        (folder / "train.arrow").write_bytes(whole[:length])
        _assert_rebuilt(encode, splits, folder, caplog)


def test_a_cache_of_another_number_of_examples_is_rebuilt(
    encode: Counting, splits: dict[str, list[Dialogue]], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "caches" / "cache"
    encode_cached({**splits, "train": splits["train"][:5]}, encode, folder, Example)
    _assert_rebuilt(encode, splits, folder, caplog)


def test_a_cache_of_other_columns_is_rebuilt(
    encode: Counting, splits: dict[str, list[Dialogue]], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "caches" / "cache"
    encode_cached(splits, encode, folder, Example)
    table = pa.table({"id": [str(n) for n in range(6)]})
    with pa.OSFile(str(folder / "train.arrow"), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)
    _assert_rebuilt(encode, splits, folder, caplog)


@pytest.mark.parametrize("missing", [["val"], ["train", "val", "test"]])
def test_a_folder_that_lost_files_is_rebuilt(
    encode: Counting, splits: dict[str, list[Dialogue]], tmp_path: Path, missing: list[str]
) -> None:
    folder = tmp_path / "caches" / "cache"
    encode_cached(splits, encode, folder, Example)
    for name in missing:
        (folder / f"{name}.arrow").unlink()
    stores = encode_cached(splits, encode, folder, Example)
    assert {name: len(store) for name, store in stores.items()} == {"train": 6, "val": 2, "test": 1}
    encode_cached(splits, refuse, folder, Example)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
@pytest.mark.parametrize("umask", [0o000, 0o022])
def test_only_the_owner_may_read_the_cache(
    encode: Counting, splits: dict[str, list[Dialogue]], tmp_path: Path, umask: int
) -> None:
    before = os.umask(umask)
    try:
        encode_cached(splits, encode, tmp_path / "cache", Example)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "cache").stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "cache").iterdir()} == {0o600}


def test_a_full_disk_is_one_sentence_and_leaves_no_folder(
    splits: dict[str, list[Dialogue]], tmp_path: Path, encoder: CausalLMEncoder
) -> None:
    def fill(dialogues: Sequence[Dialogue]) -> list[Example]:
        if len(dialogues) < 6:
            raise OSError(errno.ENOSPC, "No space left on device")
        return encoder.encode(dialogues)

    with pytest.raises(UserError, match=r"인코딩 캐시를 쓸 수 없습니다 \(No space left on device\)"):
        encode_cached(splits, fill, tmp_path / "caches" / "cache", Example)
    assert leftovers(tmp_path / "caches") == []


def test_an_error_while_the_file_is_closed_leaves_no_folder(
    encode: Counting, splits: dict[str, list[Dialogue]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(io.FileIO):
        def write(self, _: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(example_store.os, "fdopen", Full)
    with pytest.raises(UserError, match="공간을 비우거나 YUHEE_CACHE_DIR를 바꿔 주세요"):
        encode_cached(splits, encode, tmp_path / "caches" / "cache", Example)
    assert leftovers(tmp_path / "caches") == []


def test_an_error_of_the_encoder_passes_and_leaves_no_folder(splits: dict[str, list[Dialogue]], tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="encoded again"):
        encode_cached(splits, refuse, tmp_path / "caches" / "cache", Example)
    assert leftovers(tmp_path / "caches") == []


def test_a_cache_place_that_is_a_file_is_one_sentence(
    encode: Counting, splits: dict[str, list[Dialogue]], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("x")
    for folder in (tmp_path / "file", tmp_path / "file" / "cache"):
        with pytest.raises(UserError, match="인코딩 캐시를 쓸 수 없습니다"):
            encode_cached(splits, encode, folder, Example)
    assert (tmp_path / "file").read_text() == "x"


def test_a_second_process_that_was_faster_wins(
    encode: Counting, splits: dict[str, list[Dialogue]], tmp_path: Path
) -> None:
    folder = tmp_path / "caches" / "cache"

    def slow(dialogues: Sequence[Dialogue]) -> list[Example]:
        if not folder.exists():
            encode_cached(splits, encode, folder, Example)
        return encode.encoder.encode(dialogues)

    stores = encode_cached(splits, slow, folder, Example)
    assert [len(store) for store in stores.values()] == [6, 2, 1]
    assert leftovers(folder.parent) == ["cache"]


@given(rows=st.lists(st.lists(st.integers(0, 2**31 - 1), max_size=5), max_size=7), batch=st.integers(1, 4))
def test_any_ids_are_read_back_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[int]], batch: int
) -> None:
    examples = [Example(str(n), ids, [n % 3] * len(ids), n, n) for n, ids in enumerate(rows)]
    left = iter(examples)
    folder = tmp_path_factory.mktemp("any") / "cache"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(example_store, "BATCH", batch)
        dialogues = [dialogue("가", "나")] * len(rows)
        encode_cached({"train": dialogues}, lambda some: [next(left) for _ in some], folder, Example)
    store = ExampleStore(folder / "train.arrow", Example)
    assert list(store) == examples
    assert store.lengths.tolist() == [len(ids) for ids in rows]


def test_batches_straight_from_the_file_are_those_of_its_examples(
    encode: Counting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(example_store, "BATCH", 3)
    dialogues = [dialogue("가나" * (n % 4 + 1), "뷁😊" * (9 - n), name=str(n)) for n in range(8)]
    store = encode_cached({"train": dialogues}, encode, tmp_path / "cache", Example)["train"]
    collate = Collate(3)
    for indices in ([0], [7, 2, 2, 5], [3, 0, 6, 1, 4], list(range(8))):
        mine, theirs = collate(store.__getitems__(indices)), collate([store[index] for index in indices])
        assert {key: type(value) for key, value in mine.items()} == {key: type(value) for key, value in theirs.items()}
        for key in ("input_ids", "labels", "context_labels", "characters", "lost"):
            assert mine[key].dtype == theirs[key].dtype == torch.int64  # type: ignore[literal-required]
            assert mine[key].tolist() == theirs[key].tolist()  # type: ignore[literal-required]
        assert (mine["ids"], mine["tokens"]) == (theirs["ids"], theirs["tokens"])
        assert mine["ids"] == [str(index) for index in indices]


def test_the_collector_of_cycles_is_left_as_it_was(splits: dict[str, list[Dialogue]], tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="encoded again"):
        encode_cached(splits, refuse, tmp_path / "cache", Example)
    assert gc.isenabled()
