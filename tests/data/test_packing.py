"""Dialogues laid one behind another: all there, in few rows, and each told from the next."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from yuhee.data.encoding.reply_example import Collate, Example, Kind
from yuhee.data.packing import Pack, balanced_rows

none, context, reply = Kind.UNLEARNED, Kind.CONTEXT, Kind.REPLY
tokens = st.lists(st.tuples(st.integers(4, 600), st.sampled_from(list(Kind))), min_size=1, max_size=20)


def example(name: str, ids: list[int], kinds: list[Kind], characters: int = 3, lost: int = 0) -> Example:
    return Example(name, ids, [int(kind) for kind in kinds], characters, lost)


def examples(rows: list[list[tuple[int, Kind]]]) -> list[Example]:
    return [example(str(n), [t for t, _ in row], [k for _, k in row], n, 1) for n, row in enumerate(rows)]


def test_the_longest_come_first_each_into_the_emptiest_row() -> None:
    assert balanced_rows([2, 5, 4, 7, 1, 3, 8], 15) == [[6, 2, 5], [3, 1, 0, 4]]


def test_a_row_more_where_one_would_overflow() -> None:
    assert balanced_rows([3, 3, 2, 2, 2], 6) == [[0, 4], [1], [2, 3]]
    with pytest.raises(ValueError, match="beyond 6"):
        balanced_rows([7, 1], 6)


@given(st.lists(st.integers(1, 30), min_size=1, max_size=60))
def test_no_row_overflows_and_all_are_about_equally_full(lengths: list[int]) -> None:
    rows = balanced_rows(lengths, 30)
    assert sorted(index for row in rows for index in row) == list(range(len(lengths)))
    filled = [sum(lengths[index] for index in row) for row in rows]
    assert min(filled) >= 1
    assert max(filled) <= 30
    assert max(filled) - min(filled) <= max(lengths)
    assert len(rows) <= 2 * -(-sum(lengths) // 30)


def test_a_row_holds_dialogues_whose_positions_restart() -> None:
    batch = Pack(3, 8)(
        [
            example("a", [2, 40, 4, 50, 1], [none, context, none, reply, reply], 2, 1),
            example("b", [4, 60, 1], [reply, reply, reply], 5),
            example("c", [2, 41, 4, 1], [context, context, none, reply], 7),
        ]
    )
    assert batch["input_ids"].tolist() == [[2, 40, 4, 50, 1, 3, 3], [2, 41, 4, 1, 4, 60, 1]]
    assert batch["position_ids"].tolist() == [[0, 1, 2, 3, 4, 5, 6], [0, 1, 2, 3, 0, 1, 2]]
    # "b" begins with a token to learn, but the one before it is another dialogue's end
    assert batch["labels"].tolist() == [[-100, -100, -100, 50, 1, -100, -100], [-100, -100, -100, 1, -100, 60, 1]]
    assert batch["context_labels"].tolist() == [[-100, 40, *[-100] * 5], [-100, 41, *[-100] * 5]]
    assert batch["ids"] == ["a", "c", "b"]
    assert batch["tokens"] == 12
    assert batch["characters"].sum() == 14
    assert batch["lost"].sum() == 1


@given(st.lists(tokens, min_size=1, max_size=12), st.integers(20, 60))
def test_packed_and_padded_batches_learn_the_same_tokens(rows: list[list[tuple[int, Kind]]], size: int) -> None:
    packed, padded = Pack(3, size)(examples(rows)), Collate(3)(examples(rows))
    assert packed["input_ids"].shape[1] <= size
    assert packed["input_ids"].shape == packed["labels"].shape == packed["position_ids"].shape
    for name in ("labels", "context_labels"):
        learned = [batch[name][:, 1:] for batch in (packed, padded)]  # type: ignore[literal-required]
        assert sorted(learned[0][learned[0] != -100].tolist()) == sorted(learned[1][learned[1] != -100].tolist())
    for name in ("characters", "lost"):
        assert packed[name].sum() == padded[name].sum()  # type: ignore[literal-required]
    assert packed["tokens"] == padded["tokens"]
    assert sorted(packed["ids"]) == sorted(padded["ids"])


@given(st.lists(tokens, min_size=1, max_size=12), st.integers(20, 60))
def test_every_dialogue_stands_in_one_piece_at_position_zero(rows: list[list[tuple[int, Kind]]], size: int) -> None:
    batch = Pack(3, size)(examples(rows))
    pieces = []
    for ids, positions in zip(batch["input_ids"].tolist(), batch["position_ids"].tolist(), strict=True):
        starts = [place for place, position in enumerate(positions) if position == 0]
        for start, end in zip(starts, [*starts[1:], len(ids)], strict=True):
            assert positions[start:end] == list(range(end - start))
            pieces.append(ids[start:end])
    expected = [[token for token, _ in rows[int(name)]] for name in batch["ids"]]
    for piece, ids in zip(pieces, expected, strict=True):
        assert piece[: len(ids)] == ids
        assert set(piece[len(ids) :]) <= {3}


def test_a_batch_of_one_is_the_padded_batch() -> None:
    one = [example("a", [2, 40, 4, 50, 1], [none, context, none, reply, reply])]
    packed, padded = Pack(3, 8)(one), Collate(3)(one)
    assert packed.pop("position_ids").tolist() == [[0, 1, 2, 3, 4]]
    assert packed.keys() == padded.keys()
    for name, value in padded.items():
        assert torch.equal(packed[name], value) if isinstance(value, torch.Tensor) else packed[name] == value  # type: ignore[literal-required]
