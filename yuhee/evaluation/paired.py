"""Paired comparison of two systems that answered the same questions."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from scipy.sparse import csr_matrix

from yuhee.evaluation.resampling import resamples, swaps
from yuhee.evaluation.statistics import (
    NO_VALUE,
    REPLICATES,
    TAILS,
    Array,
    Difference,
    Indices,
    Measured,
    Sums,
    Types,
    Z,
    by_cluster,
    columns,
    distinct,
    jackknife_error,
    no_difference,
)


def paired_differences(
    pairs: Sequence[tuple[Measured, Measured]], clusters: Indices, *, replicates: int = REPLICATES, seed: int = 0
) -> list[Difference]:
    """First minus second of every metric, on the same replies.

    The p-value by approximate randomisation, which swaps the systems' replies dialogue by dialogue and is less prone
    to find differences where there are none than a bootstrap (Riezler & Maxwell 2005): p = (1 + swaps at least as far
    apart) / (1 + replicates). The interval of sums by paired bootstrap over dialogues (Koehn 2004), that of distinct
    counts by the jackknife of the difference. A maximum is not compared.

    Args:
        pairs: the same metric of both systems, over the same replies.
        clusters: (replies,) number of each reply's dialogue, from 0 without gaps.
        replicates: of the bootstrap and of the swaps.
        seed: of both.
    """
    sums = [(one, other) for one, other in pairs if isinstance(one, Sums) and isinstance(other, Sums)]
    of_sums = _of_sums([one for one, _ in sums], [other for _, other in sums], clusters, replicates, seed)
    found = []
    for one, other in pairs:
        if isinstance(one, Sums):
            found.append(next(of_sums))
        elif isinstance(one, Types) and isinstance(other, Types):
            found.append(_of_types(one, other, clusters, replicates, seed))
        else:
            found.append(no_difference("가장 큰 값 하나로는 두 시스템을 견줄 수 없습니다"))
    return found


def _of_sums(
    firsts: Sequence[Sums], seconds: Sequence[Sums], clusters: Indices, replicates: int, seed: int
) -> Iterator[Difference]:
    """One for each metric; all share the draws and the swaps."""
    first, second = by_cluster(firsts, clusters), by_cluster(seconds, clusters)
    drawn = [(weights @ first, weights @ second) for weights in resamples(len(first), replicates, seed)]
    moved = [swap @ (second - first) for swap in swaps(len(first), replicates, seed)]
    swapped = np.vstack([first[:0], *moved])
    samples = (
        (first.sum(axis=0, keepdims=True), second.sum(axis=0, keepdims=True)),
        (np.vstack([first[:0], *(one for one, _ in drawn)]), np.vstack([first[:0], *(other for _, other in drawn)])),
        (first.sum(axis=0) + swapped, second.sum(axis=0) - swapped),
    )
    parts = [(columns(firsts, one), columns(seconds, other)) for one, other in samples]
    for index, sums in enumerate(firsts):
        total, resampled, randomised = (
            sums.aggregate(one[index]) - sums.aggregate(other[index]) for one, other in parts
        )
        counted = ((sums.table != 0).any(axis=1) & (seconds[index].table != 0).any(axis=1)).sum()
        yield replace(_judged(float(total[0]), resampled, randomised), replies=int(counted))


def _judged(value: float, resampled: Array, randomised: Array) -> Difference:
    if math.isnan(value):
        return no_difference(NO_VALUE)
    low, high = np.nanpercentile(resampled, TAILS)
    return Difference(value, float(low), float(high), _p_value(value, randomised))


def _of_types(first: Types, second: Types, clusters: Indices, replicates: int, seed: int) -> Difference:
    (one, one_left), (other, other_left) = distinct(first, clusters), distinct(second, clusters)
    value = one - other
    if math.isnan(value):
        return no_difference(NO_VALUE)
    error = jackknife_error(one_left - other_left)
    swapped = np.concatenate(list(_swapped_types(first, second, clusters, replicates, seed)))
    return Difference(value, value - Z * error, value + Z * error, _p_value(value, swapped), replies=len(clusters))


def _swapped_types(first: Types, second: Types, clusters: Indices, replicates: int, seed: int) -> Iterator[Array]:
    """Blocks (n,) of differences between the systems after swaps of their dialogues."""
    count = int(clusters.max(initial=-1)) + 1
    owners = np.concatenate([clusters[first.owners], clusters[second.owners] + count])
    items, numbers = np.unique(np.concatenate([first.items, second.items]), return_inverse=True)
    sizes = np.bincount(owners, minlength=2 * count)
    shape = (len(items), 2 * count)
    holders = csr_matrix((np.ones(len(owners), dtype=np.float32), (numbers, owners)), shape=shape)

    def figure(chosen: Array) -> Array:
        """(2 × dialogues, n) of 1 where a dialogue's reply belongs to the system → (n,)."""
        with np.errstate(invalid="ignore", divide="ignore"):
            share: Array = 100 * (holders @ chosen > 0).sum(axis=0) / (sizes @ chosen)
        return 100 - share if first.repeated else share

    for swap in swaps(count, replicates, seed, len(items)):
        yield figure(np.hstack([1 - swap, swap]).T) - figure(np.hstack([swap, 1 - swap]).T)


def _p_value(value: float, swapped: Array) -> float:
    """Share of the swaps that are at least as far apart, the systems as they are among them."""
    # sums of floats in another order differ in the last digits
    as_far = int((np.abs(swapped) >= abs(value) * (1 - 1e-9) - 1e-12).sum())
    return (1 + as_far) / (1 + len(swapped))
