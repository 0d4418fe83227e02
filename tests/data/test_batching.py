from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import dialogue
from yuhee.data.batching import BUCKET, EpochBatches, SortedBatches
from yuhee.data.encoding.causal_lm import CausalLMEncoder
from yuhee.data.encoding.reply_example import Collate, Example, Kind


def example(name: str, ids: list[int], kinds: list[int], characters: int = 3, lost: int = 0) -> Example:
    return Example(name, ids, kinds, characters, lost)


def ranks(
    lengths: np.ndarray, batch_size: int, world_size: int, seed: int = 0, epoch: int = 0, start: int = 0
) -> list[list[list[int]]]:
    plans = []
    for rank in range(world_size):
        batches = EpochBatches(lengths, batch_size, seed, rank, world_size)
        batches.set_epoch(epoch, start)
        plans.append(list(batches))
    return plans


def flat(plan: list[list[int]]) -> list[int]:
    return [index for batch in plan for index in batch]


@given(
    count=st.integers(1, 400),
    batch_size=st.integers(1, 9),
    world_size=st.integers(1, 4),
    seed=st.integers(0, 2**32),
    epoch=st.integers(0, 9),
)
def test_an_epoch_shows_every_example_once_in_as_many_batches_on_every_rank(
    count: int, batch_size: int, world_size: int, seed: int, epoch: int
) -> None:
    count = max(count, world_size)
    lengths = np.random.default_rng(count).integers(4, 60, count)
    plans = ranks(lengths, batch_size, world_size, seed, epoch)
    assert sorted(index for plan in plans for index in flat(plan)) == list(range(count))
    sizes = {len(plan) for plan in plans}
    assert sizes == {len(EpochBatches(lengths, batch_size, seed, rank, world_size)) for rank in range(world_size)}
    assert len(sizes) == 1
    for step in zip(*plans, strict=True):
        in_step = [len(batch) for batch in step]
        assert min(in_step) >= 1
        assert max(in_step) - min(in_step) <= 1
        assert max(in_step) <= batch_size + 1


@given(
    count=st.integers(1, 300),
    batch_size=st.integers(1, 5),
    world_size=st.integers(1, 4),
    start=st.integers(0, 80),
)
def test_a_start_gives_the_tail_of_the_same_plan(count: int, batch_size: int, world_size: int, start: int) -> None:
    lengths = np.random.default_rng(7).integers(4, 60, max(count, world_size))
    whole = ranks(lengths, batch_size, world_size, seed=3, epoch=2)
    rest = ranks(lengths, batch_size, world_size, seed=3, epoch=2, start=start)
    assert rest == [plan[start:] for plan in whole]


def test_a_plan_depends_on_seed_and_epoch_alone() -> None:
    lengths = np.random.default_rng(0).integers(4, 60, 200)
    first = ranks(lengths, 4, 2, seed=1, epoch=1)
    np.random.seed(99)  # noqa: NPY002
    torch.manual_seed(99)
    assert ranks(lengths, 4, 2, seed=1, epoch=1) == first
    assert ranks(lengths, 4, 2, seed=1, epoch=2) != first
    assert ranks(lengths, 4, 2, seed=2, epoch=1) != first


def test_iterating_twice_gives_the_same_plan_until_the_epoch_is_set() -> None:
    batches = EpochBatches(np.arange(1, 101), 3, seed=0)
    assert list(batches) == list(batches)
    before = list(batches)
    batches.set_epoch(1)
    assert list(batches) != before


def test_the_length_of_an_epoch_does_not_change_with_its_start() -> None:
    batches = EpochBatches(np.arange(1, 101), 3, seed=0)
    batches.set_epoch(0, start=30)
    assert len(batches) == 34
    assert len(list(batches)) == 4


def test_epochs_mix_the_batches_and_not_only_their_order() -> None:
    lengths = np.full(40, 10)
    one, other = (ranks(lengths, 4, 1, epoch=epoch)[0] for epoch in (0, 1))
    assert {frozenset(batch) for batch in one} != {frozenset(batch) for batch in other}


def test_batches_are_not_served_in_order_of_length() -> None:
    lengths = np.arange(1, 201)
    longest = [int(lengths[batch].max()) for batch in ranks(lengths, 4, 1)[0]]
    assert longest != sorted(longest)
    assert longest != sorted(longest, reverse=True)


@given(st.lists(st.integers(1, 200), min_size=4, max_size=4 * BUCKET), st.integers(0, 5))
def test_within_one_bucket_no_batching_pads_less(values: list[int], seed: int) -> None:
    lengths = np.array(values)
    plan = ranks(lengths, 4, 1, seed)[0]
    chunks = [np.sort(lengths)[first : first + 4] for first in range(0, len(lengths), 4)]
    assert sorted(sorted(lengths[batch].tolist()) for batch in plan) == sorted(chunk.tolist() for chunk in chunks)


def test_many_buckets_still_pad_little() -> None:
    lengths = np.random.default_rng(0).integers(5, 100, 5000)
    plan = ranks(lengths, 8, 1)[0]
    padded = sum(int(lengths[batch].max()) * len(batch) for batch in plan)
    assert padded < 1.15 * lengths.sum() < max(lengths) * len(lengths)


def test_the_ranks_of_a_step_get_like_lengths() -> None:
    lengths = np.arange(1, 16 * BUCKET + 1)
    for step in zip(*ranks(lengths, 4, 4), strict=True):
        together = [int(lengths[index]) for batch in step for index in batch]
        assert max(together) - min(together) == len(together) - 1


def test_fewer_examples_than_ranks_are_refused() -> None:
    with pytest.raises(ValueError, match="2 examples cannot be dealt to 3 ranks"):
        EpochBatches(np.array([4, 5]), 8, 0, 0, 3)


def test_a_rest_too_small_for_all_ranks_joins_the_batch_before() -> None:
    plans = ranks(np.full(9, 5), 2, 4)
    assert sorted(len(batch) for plan in plans for batch in plan) == [2, 2, 2, 3]


@given(count=st.integers(0, 200), batch_size=st.integers(1, 9), world_size=st.integers(1, 4))
def test_evaluation_sees_every_example_once_over_all_ranks(count: int, batch_size: int, world_size: int) -> None:
    lengths = np.random.default_rng(count).integers(4, 60, count)
    samplers = [SortedBatches(lengths, batch_size, rank, world_size) for rank in range(world_size)]
    seen = Counter(index for sampler in samplers for batch in sampler for index in batch)
    assert seen == Counter(range(count))
    for sampler in samplers:
        assert len(sampler) == len(list(sampler))
        assert all(1 <= len(batch) <= batch_size for batch in sampler)


def test_evaluation_starts_with_the_longest_so_that_a_lack_of_memory_shows_at_once() -> None:
    lengths = np.array([3, 9, 1, 7, 5])
    assert list(SortedBatches(lengths, 2)) == [[1, 3], [4, 0], [2]]


def test_evaluation_is_the_same_each_time_it_is_iterated() -> None:
    sampler = SortedBatches(np.array([3, 3, 3, 1]), 2)
    assert list(sampler) == list(sampler) == [[0, 1], [2, 3]]


def test_a_batch_is_padded_on_the_right_to_its_longest() -> None:
    reply, context, none = Kind.REPLY, Kind.CONTEXT, Kind.UNLEARNED
    batch = Collate(3)(
        [example("a", [2, 40, 4, 50, 1], [none, context, none, reply, reply], 2, 1), example("b", [4, 1], [0, reply])]
    )
    assert batch["input_ids"].tolist() == [[2, 40, 4, 50, 1], [4, 1, 3, 3, 3]]
    assert batch["labels"].tolist() == [[-100, -100, -100, 50, 1], [-100, 1, -100, -100, -100]]
    assert batch["context_labels"].tolist() == [[-100, 40, -100, -100, -100], [-100] * 5]
    assert batch["characters"].tolist() == [2, 3]
    assert batch["lost"].tolist() == [1, 0]
    assert batch["ids"] == ["a", "b"]
    assert batch["tokens"] == 7
    assert {batch[name].dtype for name in ("input_ids", "labels", "context_labels", "characters")} == {torch.int64}


def test_padding_is_ignored_though_the_end_token_pads() -> None:
    batch = Collate(1)([example("a", [4, 50, 1], [0, 2, 2]), example("b", [4, 1], [0, 2])])
    assert batch["labels"].tolist() == [[-100, 50, 1], [-100, 1, -100]]


@given(st.lists(st.lists(st.tuples(st.integers(0, 600), st.sampled_from(list(Kind))), min_size=1), min_size=1))
def test_a_batch_gives_back_ids_and_labels_of_every_example(rows: list[list[tuple[int, Kind]]]) -> None:
    examples = [
        example(str(number), [token for token, _ in row], [int(kind) for _, kind in row])
        for number, row in enumerate(rows)
    ]
    batch = Collate(3)(examples)
    assert batch["input_ids"].shape == batch["labels"].shape == (len(rows), max(map(len, rows)))
    for row, one in enumerate(examples):
        size = len(one.input_ids)
        assert batch["input_ids"][row, :size].tolist() == one.input_ids
        assert batch["labels"][row, :size].tolist() == one.labels
        assert set(batch["input_ids"][row, size:].tolist()) <= {3}
        assert set(batch["labels"][row, size:].tolist()) <= {-100}
        assert set(batch["context_labels"][row, size:].tolist()) <= {-100}


def test_labels_of_encoded_dialogues_survive_the_batch(encoder: CausalLMEncoder) -> None:
    examples = encoder.encode(
        [dialogue("안녕", "응 안녕", emotion="1"), dialogue("뭐 해", "밥 먹었어\n라면", name="b")]
    )
    batch = Collate(encoder.markers["<pad>"])(examples)
    for row, one in enumerate(examples):
        learned = batch["labels"][row][batch["labels"][row] != -100].tolist()
        assert learned == [label for label in one.labels if label != -100]
        assert learned[-1] == encoder.end_id
