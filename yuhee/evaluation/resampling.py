"""Draws and swaps of whole dialogues, in blocks that fit into memory whatever their number."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

CHUNK = 2**22  # numbers of a block of weights: 32 MB


def _blocks(count: int, replicates: int) -> Iterator[int]:
    """Sizes of blocks of replicates that fit into the memory meant for weights."""
    size = max(1, CHUNK // max(count, 1))
    for start in range(0, replicates, size):
        yield min(size, replicates - start)


def resamples(count: int, replicates: int, seed: int) -> Iterator[Array]:
    """Blocks (n, count) of how often each dialogue is drawn in a bootstrap replicate."""
    random = np.random.default_rng(seed)
    for n in _blocks(count, replicates) if count else ():
        drawn = random.integers(count, size=(n, count)) + np.arange(n)[:, None] * count
        yield np.bincount(drawn.ravel(), minlength=n * count).reshape(n, count).astype(float)


def swaps(count: int, replicates: int, seed: int, width: int = 0) -> Iterator[Array]:
    """Blocks (n, count) of 1 where the two systems change places in a replicate, 0 elsewhere.

    With `width` numbers made of each replicate, a block has fewer of them.
    """
    random = np.random.default_rng(seed)
    for n in _blocks(max(count, width), replicates):
        yield random.integers(2, size=(n, count)).astype(float)
