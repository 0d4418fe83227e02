"""Intervals, paired differences and means over seeds."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.evaluation.samples import question, sample
from yuhee.errors import UserError
from yuhee.evaluation import resampling, statistics
from yuhee.evaluation.paired import paired_differences
from yuhee.evaluation.result import Answer
from yuhee.evaluation.sample import Sample
from yuhee.evaluation.scoring import differences, figures, score
from yuhee.evaluation.statistics import (
    Array,
    Difference,
    Largest,
    Measured,
    Sums,
    Types,
    by_cluster,
    columns,
    intervals,
    over_seeds,
    take,
)


def mean_of(values: list[float]) -> Sums:
    return Sums(np.column_stack([values, np.ones(len(values))]), lambda sums: sums[:, 0] / sums[:, 1])


def difference(first: Measured, second: Measured, clusters: statistics.Indices, replicates: int = 1000) -> Difference:
    return paired_differences([(first, second)], clusters, replicates=replicates)[0]


def alone(count: int) -> statistics.Indices:
    return np.arange(count)


def test_a_mean_of_coins_has_the_interval_of_the_binomial() -> None:
    values = [0.0, 1.0] * 200
    found = intervals([mean_of(values)], alone(400), replicates=4000)[0]
    error = 1.96 * math.sqrt(0.25 / 400)
    assert (found.low, found.high) == pytest.approx((0.5 - error, 0.5 + error), abs=0.006)


def test_replies_of_one_dialogue_are_drawn_together() -> None:
    values = [0.0] * 50 + [1.0] * 50
    pairs = intervals([mean_of(values)], np.arange(100) // 2, replicates=2000)[0]
    single = intervals([mean_of(values)], alone(100), replicates=2000)[0]
    assert (pairs.high - pairs.low) / (single.high - single.low) == pytest.approx(math.sqrt(2), rel=0.1)
    halves = intervals([mean_of(values)], np.arange(100) // 50, replicates=200)[0]
    assert (halves.low, halves.high) == (0, 1)


@given(st.lists(st.floats(0, 10), min_size=1, max_size=20), st.integers(0, 5))
def test_the_interval_holds_the_value_of_symmetric_data(values: list[float], seed: int) -> None:
    symmetric = [value for each in values for value in (-each, each)]
    found = intervals([mean_of(symmetric)], alone(len(symmetric)), replicates=200, seed=seed)[0]
    assert found.low <= found.value + 1e-9
    assert found.value - 1e-9 <= found.high


def test_figures_share_the_draws_and_the_seed_decides_them() -> None:
    values = list(np.random.default_rng(1).normal(size=30))
    one, twin = intervals([mean_of(values), mean_of(values)], alone(30), replicates=50, seed=3)
    again = intervals([mean_of(values)], alone(30), replicates=50, seed=3)[0]
    other = intervals([mean_of(values)], alone(30), replicates=50, seed=4)[0]
    assert one == twin == again
    assert one != other


def test_blocks_hold_all_replicates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resampling, "CHUNK", 25)
    seen: list[int] = []

    def aggregate(sums: Array) -> Array:
        seen.append(len(sums))
        return sums[:, 0]

    intervals([Sums(np.ones((10, 1)), aggregate)], alone(10), replicates=7)
    assert seen == [1, 7]


@given(st.lists(st.lists(st.integers(0, 5), max_size=4), min_size=2, max_size=6), st.booleans())
def test_the_jackknife_of_distinct_counts_leaves_out_each_dialogue(replies: list[list[int]], repeated: bool) -> None:
    items = [item for reply in replies for item in reply]
    owners = [index for index, reply in enumerate(replies) for _ in reply]
    clusters = np.arange(len(replies)) // 2
    types = Types(np.array(items, dtype=np.int64), np.array(owners, dtype=np.int64), repeated)
    found = intervals([types], clusters)[0]

    def share(kept: list[list[int]]) -> float:
        flat = [item for reply in kept for item in reply]
        distinct = 100 * len(set(flat)) / len(flat) if flat else math.nan
        return 100 - distinct if repeated else distinct

    if not items:
        assert found.reason
        return
    left_out = [share([r for r, c in zip(replies, clusters, strict=True) if c != out]) for out in set(clusters)]
    left_out = [each for each in left_out if not math.isnan(each)]
    spread = sum((each - np.mean(left_out)) ** 2 for each in left_out)
    error = math.sqrt((len(left_out) - 1) / len(left_out) * spread) if len(left_out) > 1 else 0.0
    assert found.value == pytest.approx(share(replies))
    assert found.low == pytest.approx(max(share(replies) - 1.959964 * error, 0), abs=1e-6)
    assert found.high == pytest.approx(min(share(replies) + 1.959964 * error, 100), abs=1e-6)


def test_a_bootstrap_of_distinct_counts_would_lie_beside_its_own_value() -> None:
    """Why they get a jackknife: every item once, and any draw with replacement repeats a third of them."""
    found = intervals([Types(np.arange(50), np.arange(50))], alone(50))[0]
    assert (found.value, found.high) == (100, 100)


def test_the_same_system_twice_does_not_differ() -> None:
    replies = sample(
        ("네 그래요", "네"), ("아니 그래요", "좋아요"), ("음", "그래"), training=("네",), bits=3.0, seconds=0.2
    )
    for name, each in differences(score(replies), score(replies), replicates=100).items():
        if each.reason is None:
            assert (each.value, each.low, each.high, each.p) == (0, 0, 0, 1), name


def test_a_paired_difference_is_found_that_two_intervals_hide() -> None:
    random = np.random.default_rng(0)
    first = random.normal(size=100)
    second = first + 0.1 + random.normal(scale=0.1, size=100)
    one, other = mean_of(list(first)), mean_of(list(second))
    found = difference(other, one, alone(100))
    assert found.value == pytest.approx(float(second.mean() - first.mean()))
    assert 0 < found.low < found.value < found.high
    assert found.p == pytest.approx(1 / 1001)
    apart = intervals([one, other], alone(100))
    assert apart[0].high > apart[1].low
    mirrored = difference(one, other, alone(100))
    assert (mirrored.value, mirrored.p) == (-found.value, found.p)


def test_the_p_value_of_three_questions_is_that_of_all_swaps() -> None:
    """Of the 8 ways to swap 3 differences of 1, two are as far apart."""
    found = difference(mean_of([1.0, 1.0, 1.0]), mean_of([0.0, 0.0, 0.0]), alone(3), replicates=4000)
    assert found.p == pytest.approx(2 / 8, abs=0.03)


def test_p_values_of_equal_systems_are_spread_evenly() -> None:
    random = np.random.default_rng(0)
    p = [
        difference(mean_of(list(a)), mean_of(list(b)), alone(30), replicates=100).p
        for a, b in random.normal(size=(200, 2, 30))
    ]
    assert np.mean(np.array(p) < 0.05) == pytest.approx(0.05, abs=0.04)
    assert np.mean(p) == pytest.approx(0.5, abs=0.08)


def test_distinct_counts_are_compared_by_swapping_dialogues() -> None:
    varied = Types(np.array([0, 0, *range(1, 39)]), alone(40))
    same = Types(np.zeros(40, dtype=np.int64), alone(40))
    found = difference(varied, same, alone(40))
    assert found.value == pytest.approx(100 * (39 - 1) / 40)
    assert found.low < found.value < found.high
    assert found.p == pytest.approx(1 / 1001)
    assert difference(same, same, alone(40)).p == 1


@given(st.lists(st.integers(0, 4), min_size=6, max_size=6), st.booleans())
def test_the_p_value_of_distinct_counts_is_that_of_all_swaps(items: list[int], repeated: bool) -> None:
    first, second = items[:3], items[3:]
    types = [Types(np.array(each), alone(3), repeated) for each in (first, second)]

    def apart(swaps: tuple[int, ...]) -> int:
        pairs = [(b, a) if swap else (a, b) for a, b, swap in zip(first, second, swaps, strict=True)]
        return abs(len({a for a, _ in pairs}) - len({b for _, b in pairs}))

    as_far = [apart(swaps) >= apart((0, 0, 0)) for swaps in itertools.product((0, 1), repeat=3)]
    assert difference(*types, alone(3)).p == pytest.approx(np.mean(as_far), abs=0.06)


def test_a_maximum_is_not_compared() -> None:
    found = difference(Largest(np.ones(3)), Largest(np.zeros(3)), alone(3))
    assert math.isnan(found.p)
    assert found.reason


def test_figures_of_some_questions_are_those_of_a_smaller_sample() -> None:
    pairs = [("네 그래요", "네"), ("네 그래요", "좋아요 네"), ("음 그래요", "그래"), ("뭐", "뭐 해")]
    some = [pairs[3], pairs[1]]
    training = ("네 그래",)
    whole = score(sample(*pairs, training=training, bits=3.0))
    found = figures(whole, np.array([3, 1]), replicates=10)
    smaller = figures(score(sample(*some, training=training, bits=3.0)), replicates=10)
    for name, each in found.items():
        assert each.value == pytest.approx(smaller[name].value, nan_ok=True), name
        assert each.reason == smaller[name].reason


def test_no_questions_of_a_slice_give_reasons() -> None:
    found = figures(score(sample(("네", "네"))), np.array([], dtype=np.int64))
    assert all(each.reason and math.isnan(each.value) for each in found.values())


def test_systems_that_answered_other_questions_cannot_be_paired() -> None:
    other = Sample((question("네", dialogue="e:1"),), (Answer("네"),))
    with pytest.raises(UserError, match="시험 질문이 달라"):
        differences(score(sample(("네", "네"))), score(other))


def test_what_one_system_lacks_is_not_compared() -> None:
    found = differences(score(sample(("네", "네"), bits=1.0)), score(sample(("응", "네"))))
    assert found["bpc"].reason == "글의 확률을 내지 않는 시스템입니다"
    assert found["exact"].value == 100


def test_a_reply_that_one_system_has_no_bits_for_counts_for_neither() -> None:
    replies = (("네", "네"), ("그래요", "그래요"), ("음", "음"))
    first, second = sample(*replies, bits=4.0), sample(*replies, bits=2.0)
    longer = replace(first.answers[1], bits=None)  # too long for the first one's `data.max_length`
    found = differences(score(replace(first, answers=(first.answers[0], longer, first.answers[2]))), score(second))
    assert (found["bpc"].value, found["bpc"].replies) == (8 / 4 - 4 / 4, 2)
    assert found["exact"].replies == 3


def test_what_says_nothing_when_paired_has_a_reason_instead_of_a_p_value() -> None:
    replies = (("네", "네"), ("음", "그래"))
    first = score(sample(*replies, bits=4.0, reference_tokens=2, tokens=2, seconds=0.1))
    second = score(sample(*replies, bits=4.0, reference_tokens=3, tokens=2, seconds=0.2))
    found = differences(first, second)
    assert found["ppl"].reason == "토크나이저가 달라 토큰당 수치를 견줄 수 없습니다. 글자당 비트로 견주세요"
    assert "시간" in str(found["seconds"].reason)
    assert "시간" in str(found["tokens_per_second"].reason)
    assert differences(first, first)["ppl"].value == 0


def test_every_reply_by_itself() -> None:
    scores = score(sample(("가나", "가나"), ("다", "가나"), bits=6.0))
    assert scores.each("exact").tolist() == [100, 0]
    assert scores.each("bpc").tolist() == [2, 2]
    assert scores.each("chrf")[0] == pytest.approx(100)
    assert np.isnan(scores.each("distinct_1")).all()


def test_taking_rows_of_distinct_counts() -> None:
    taken = take(Types(np.array([7, 8, 9]), np.array([0, 2, 2])), np.array([2, 1]))
    assert isinstance(taken, Types)
    assert (taken.items.tolist(), taken.owners.tolist()) == ([8, 9], [0, 0])


def test_sums_by_dialogue() -> None:
    one, other = (Sums(np.array(values), lambda sums: sums[:, 0]) for values in ([[1], [2], [4]], [[1, 2]] * 3))
    table = by_cluster([one, other], np.array([1, 0, 1]))
    assert table.tolist() == [[2, 1, 2], [5, 2, 4]]
    assert [part.tolist() for part in columns([one, other], table)] == [[[2], [5]], [[1, 2], [2, 4]]]


def test_seeds() -> None:
    found = over_seeds([1.0, 2.0, math.nan, 3.0])
    assert (found.mean, found.sd, found.n) == (2, 1, 3)
    assert over_seeds([4.0]).mean == 4
    assert math.isnan(over_seeds([4.0]).sd)
    assert math.isnan(over_seeds([]).mean)
    assert over_seeds([]).n == 0
