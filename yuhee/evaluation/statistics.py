"""Figures with intervals over dialogues, and means over seeds."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from yuhee.evaluation.resampling import resamples
from yuhee.evaluation.result import Interval

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

REPLICATES = 1000
TAILS = (2.5, 97.5)  # percentiles: ends of a 95 % interval
Z = 1.959964  # the same of a normal distribution, in standard errors
NO_VALUE = "셀 것이 하나도 없습니다"


@dataclass(frozen=True, slots=True)
class Sums:
    """A figure that is a function of sums over the replies.

    Attributes:
        table: sufficient statistics (replies, k); zeros in the row of a reply that does not count.
        aggregate: sums (n, k) → figures (n,), NaN where there is none.
    """

    table: Array
    aggregate: Callable[[Array], Array]


@dataclass(frozen=True, slots=True)
class Types:
    """How many of the replies' items are distinct, in percent.

    Attributes:
        items: number of each item; the same number is the same item.
        owners: index of the reply in which it stands, in the same order.
        repeated: the figure is what is left to 100 %.
    """

    items: Indices
    owners: Indices
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Largest:
    """The largest of one value per reply (replies,): resampling says nothing about a maximum."""

    values: Array


Measured = Sums | Types | Largest


@dataclass(frozen=True, slots=True)
class Difference:
    """First system minus second on the same questions.

    Attributes:
        value, low, high: the difference and its 95 % interval; NaN where there is none.
        p: two-sided, of "both are equally good"; NaN where there is none.
        reason: why there is none, for people; None where there is.
        replies: for which both systems have a value; they alone count.
    """

    value: float
    low: float
    high: float
    p: float
    reason: str | None = None
    replies: int = 0


@dataclass(frozen=True, slots=True)
class Seeds:
    """Mean and sample standard deviation (NaN for one run) over `n` runs that differ in their seed."""

    mean: float
    sd: float
    n: int


def over_seeds(values: Sequence[float]) -> Seeds:
    """Aggregate the figures of runs that differ in nothing but `seed`. A run without the figure (NaN) is left out."""
    known = [value for value in values if not math.isnan(value)]
    return Seeds(
        float(np.mean(known)) if known else math.nan,
        float(np.std(known, ddof=1)) if len(known) > 1 else math.nan,
        len(known),
    )


def missing(reason: str) -> Interval:
    return Interval(math.nan, math.nan, math.nan, reason)


def no_difference(reason: str) -> Difference:
    return Difference(math.nan, math.nan, math.nan, math.nan, reason)


def intervals(
    measured: Sequence[Measured], clusters: Indices, *, replicates: int = REPLICATES, seed: int = 0
) -> list[Interval]:
    """Every figure with its 95 % interval over dialogues.

    Sums get the percentile bootstrap, whole dialogues drawn with replacement (Efron & Tibshirani 1993, ch. 13); all
    figures share the draws. Drawing with replacement repeats replies and so makes distinct counts too small: those
    get the delete-one-dialogue jackknife with a normal interval, whose variance errs on the large side (Efron & Stein
    1981). With fewer than two dialogues, and for a maximum, the interval is the value itself.

    Args:
        measured: over the same replies.
        clusters: (replies,) number of each reply's dialogue, from 0 without gaps.
        replicates: of the bootstrap.
        seed: of its draws.
    """
    sums = [each for each in measured if isinstance(each, Sums)]
    table = by_cluster(sums, clusters)
    drawn = np.vstack([table[:0], *(weights @ table for weights in resamples(len(table), replicates, seed))])
    of_sums = map(_bootstrapped, sums, columns(sums, drawn))
    return [next(of_sums) if isinstance(each, Sums) else _interval(each, clusters) for each in measured]


def each_reply(measured: Measured) -> Array:
    """The figure of every reply by itself (replies,); NaN where it has none."""
    if isinstance(measured, Sums):
        return measured.aggregate(measured.table)
    if isinstance(measured, Largest):
        return measured.values
    raise TypeError("distinct counts are of many replies")


def take(measured: Measured, rows: Indices) -> Measured:
    """The same of some replies."""
    if isinstance(measured, Sums):
        return Sums(measured.table[rows], measured.aggregate)
    if isinstance(measured, Largest):
        return Largest(measured.values[rows])
    place = np.full(max(int(measured.owners.max(initial=-1)), int(rows.max(initial=-1))) + 1, -1)
    place[rows] = np.arange(len(rows))
    kept = place[measured.owners] >= 0
    return Types(measured.items[kept], place[measured.owners[kept]], measured.repeated)


def by_cluster(sums: Sequence[Sums], clusters: Indices) -> Array:
    """Their tables side by side, added up over the replies of each dialogue (dialogues, sum of k)."""
    table = np.hstack([np.zeros((len(clusters), 0)), *(each.table for each in sums)])
    added = np.zeros((int(clusters.max(initial=-1)) + 1, table.shape[1]))
    np.add.at(added, clusters, table)
    return added


def columns(sums: Sequence[Sums], table: Array) -> list[Array]:
    """What `by_cluster` put side by side, each for itself."""
    ends = np.cumsum([each.table.shape[1] for each in sums], dtype=int)
    return np.split(table, ends[:-1], axis=1)


def _interval(measured: Types | Largest, clusters: Indices) -> Interval:
    if isinstance(measured, Types):
        return _jackknifed(measured, clusters)
    return _fixed(float(measured.values.max()) if len(measured.values) else math.nan)


def _fixed(value: float) -> Interval:
    return missing(NO_VALUE) if math.isnan(value) else Interval(value, value, value)


def _bootstrapped(sums: Sums, drawn: Array) -> Interval:
    value = float(sums.aggregate(sums.table.sum(axis=0, keepdims=True))[0])
    figures = sums.aggregate(drawn)
    figures = figures[~np.isnan(figures)]
    if math.isnan(value) or not len(figures):
        return _fixed(value)
    low, high = np.percentile(figures, TAILS)
    return Interval(value, float(low), float(high))


def _jackknifed(types: Types, clusters: Indices) -> Interval:
    value, left_out = distinct(types, clusters)
    if math.isnan(value):
        return missing(NO_VALUE)
    error = jackknife_error(left_out)
    return Interval(value, max(value - Z * error, 0.0), min(value + Z * error, 100.0))


def distinct(types: Types, clusters: Indices) -> tuple[float, Array]:
    """The figure, and the figure without each dialogue (dialogues,)."""
    count = int(clusters.max(initial=-1)) + 1
    owners = clusters[types.owners]
    items, numbers = np.unique(types.items, return_inverse=True)
    pairs = np.unique(numbers * count + owners)  # which item stands in which dialogue
    alone = pairs[np.bincount(pairs // max(count, 1), minlength=len(items))[pairs // max(count, 1)] == 1] % max(
        count, 1
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        share = 100 * np.divide(len(items), len(types.items))
        left = (
            100
            * (len(items) - np.bincount(alone, minlength=count))
            / (len(types.items) - np.bincount(owners, minlength=count))
        )
    return (100 - float(share), 100 - left) if types.repeated else (float(share), left)


def jackknife_error(left_out: Array) -> float:
    """Standard error from the figures without each dialogue; 0 where there are fewer than two."""
    known = left_out[~np.isnan(left_out)]
    if len(known) < 2:
        return 0.0
    return math.sqrt((len(known) - 1) / len(known) * float(((known - known.mean()) ** 2).sum()))
