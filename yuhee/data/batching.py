"""Which examples stand in which batch."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from torch.utils.data import Sampler

BUCKET = 8  # batches that are sorted by length together; more of them would make batches too alike to learn from


class EpochBatches(Sampler[list[int]]):
    """Batches of one rank for one epoch: every example once, like lengths together, in a random order.

    The plan depends on the seed and the epoch alone, so it can be taken up again at any batch.

    Args:
        lengths: (examples,) tokens of each example.
        batch_size: examples per rank.
        seed: of the order.
        rank, world_size: this process among all. Every rank gets the same number of batches; the last ones may
            differ by one example.
    """

    def __init__(
        self, lengths: npt.NDArray[np.int64], batch_size: int, seed: int, rank: int = 0, world_size: int = 1
    ) -> None:
        if len(lengths) < world_size:
            raise ValueError(f"{len(lengths)} examples cannot be dealt to {world_size} ranks")
        self.lengths = lengths
        self.batch_size = batch_size
        self.seed = seed
        self.rank = rank
        self.world_size = world_size
        self.epoch = 0
        self.start = 0

    def set_epoch(self, epoch: int, start: int = 0) -> None:
        """Move to batch `start` of an epoch."""
        self.epoch, self.start = epoch, start

    def __len__(self) -> int:
        """Batches of a whole epoch, also after a start in its middle."""
        return len(self._bounds())

    def __iter__(self) -> Iterator[list[int]]:
        random = np.random.default_rng((self.seed, self.epoch))
        order = random.permutation(len(self.lengths))
        size = self.batch_size * self.world_size
        for first in range(0, len(order), size * BUCKET):
            bucket = order[first : first + size * BUCKET]
            order[first : first + size * BUCKET] = bucket[np.argsort(self.lengths[bucket], kind="stable")]
        bounds = self._bounds()
        for place in random.permutation(len(bounds))[self.start :]:
            first, last = bounds[place]
            yield order[first:last][self.rank :: self.world_size].tolist()

    def _bounds(self) -> list[tuple[int, int]]:
        """Slices of the epoch's order, one per global batch; a rest too small for all ranks joins the one before."""
        size = self.batch_size * self.world_size
        starts = list(range(0, len(self.lengths), size))
        if len(starts) > 1 and len(self.lengths) - starts[-1] < self.world_size:
            starts.pop()
        return list(zip(starts, [*starts[1:], len(self.lengths)], strict=True))


class SortedBatches(Sampler[list[int]]):
    """Batches for evaluation: longest first, each example once over all ranks."""

    def __init__(self, lengths: npt.NDArray[np.int64], batch_size: int, rank: int = 0, world_size: int = 1) -> None:
        mine = np.argsort(-lengths, kind="stable")[rank::world_size]
        self.batches = [mine[first : first + batch_size].tolist() for first in range(0, len(mine), batch_size)]

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.batches)
