"""Dialogues of a batch one behind another in the same rows, instead of a padded row for each."""

from collections.abc import Sequence
from itertools import chain

import numpy as np
import numpy.typing as npt
import torch

from yuhee.data.encoding.reply_example import Batch, Collate, Example, Kind


class Pack:
    """Lay the examples of a batch into few rows of about equal length, and pad those on the right.

    `position_ids` restart at each dialogue; from them `transformers` makes an attention mask that lets no dialogue
    see another one. Its first token is never learned, for what stands before it is another dialogue's end.

    Args:
        pad_id: token id of the padding.
        max_length: of a row, in tokens; no example may be longer.
    """

    def __init__(self, pad_id: int, max_length: int) -> None:
        self.collate = Collate(pad_id)
        self.max_length = max_length

    def __call__(self, examples: Sequence[Example]) -> Batch:
        rows = [
            [examples[index] for index in row]
            for row in balanced_rows([len(example.input_ids) for example in examples], self.max_length)
        ]
        batch = self.collate([_joined(row) for row in rows])
        width = batch["input_ids"].shape[1]
        batch["position_ids"] = torch.from_numpy(np.stack([_positions(row, width) for row in rows]))
        batch["ids"] = [example.id for row in rows for example in row]
        return batch


def balanced_rows(lengths: Sequence[int], size: int) -> list[list[int]]:
    """Indices of `lengths` in few rows of at most `size`, about equally full, for a batch is as wide as its longest row.

    The longest first, each into the emptiest row (Graham 1969, "Bounds on multiprocessing timing anomalies"); with one
    row more for as long as one of them overflows.
    """
    order = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    for count in range(-(-sum(lengths) // size), len(lengths) + 1):
        rows: list[list[int]] = [[] for _ in range(count)]
        filled = [0] * count
        for index in order:
            emptiest = filled.index(min(filled))
            rows[emptiest].append(index)
            filled[emptiest] += lengths[index]
        if max(filled) <= size:
            return rows
    raise ValueError(f"a length is beyond {size}")


def _joined(examples: Sequence[Example]) -> Example:
    kinds = list(chain.from_iterable(example.kinds for example in examples))
    for start in _starts(examples):
        kinds[start] = Kind.UNLEARNED
    return Example(
        "",
        list(chain.from_iterable(example.input_ids for example in examples)),
        kinds,
        sum(int(example.characters) for example in examples),
        sum(int(example.lost) for example in examples),
    )


def _starts(examples: Sequence[Example]) -> list[int]:
    return [0, *np.cumsum([len(example.input_ids) for example in examples])[:-1].tolist()]


def _positions(examples: Sequence[Example], width: int) -> npt.NDArray[np.int64]:
    """(width,) place of each token in its dialogue; padding goes on counting from the last one."""
    starts = _starts(examples)
    positions: npt.NDArray[np.int64] = np.arange(width) - np.repeat(starts, np.diff([*starts, width]))
    return positions
