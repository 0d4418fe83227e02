"""Points of the scaling comparison and the line through them; needs no machine learning."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

LARGEST = 32_768  # tokens of a step: what a machine with 16 GB holds


def points(batch: Sequence[int], length: Sequence[int], turns: Sequence[int]) -> list[tuple[int, int, int]]:
    """(batch, length, turns): every batch with every length in two turns, and more turns at the middle of both.

    Only what is `LARGEST` or smaller.
    """
    middle = batch[len(batch) // 2], length[-2]
    return [(b, n, 2) for b in batch for n in length if b * n <= LARGEST] + [(*middle, n) for n in turns if n > 2]


def linear_fit(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Least squares of seconds over tokens: microseconds per token, seconds of an empty step, R²."""
    tokens, seconds = ([row[key] for row in rows] for key in ("tokens", "seconds"))
    slope, intercept = statistics.linear_regression(tokens, seconds)
    return {
        "microseconds_per_token": slope * 1e6,
        "seconds_without_tokens": intercept,
        "r2": statistics.correlation(tokens, seconds) ** 2,
    }
