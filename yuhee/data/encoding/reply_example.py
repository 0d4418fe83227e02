"""An encoded dialogue whose replies are learned where they stand, and batches of such."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, NamedTuple, NotRequired, TypedDict

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch

IGNORE = -100


class Kind(IntEnum):
    """What a token is to the loss."""

    UNLEARNED = 0  # markers, emotion labels, system turns, replies of weight 0
    CONTEXT = 1  # words of the user's turns: learned with `model.context_loss_weight`
    REPLY = 2  # words of a reply and its end token


class EncodedRow(NamedTuple):
    """What a batch takes of an encoded dialogue: the first fields of an `Example`, as arrays."""

    id: str
    input_ids: npt.NDArray[np.int32]
    kinds: npt.NDArray[np.uint8]
    characters: int
    lost: int


@dataclass(frozen=True, slots=True)
class Example:
    """One encoded dialogue.

    Attributes:
        id: the dialogue's.
        input_ids: (length,) token ids.
        kinds: (length,) `Kind` of each token.
        characters: characters of the raw replies in NFC, plus one for the end of each.
        lost: characters of the raw replies that decoding the learned tokens does not give back.
        dropped: exchanges (or turns of one exchange) left out because the dialogue was too long.
        cut: turns whose text was shortened, `cut_replies` of them replies.
    """

    id: str
    input_ids: list[int]
    kinds: list[int]
    characters: int
    lost: int
    dropped: int = 0
    cut: int = 0
    cut_replies: int = 0

    columns: ClassVar[Mapping[str, pa.DataType]] = {
        "id": pa.string(),
        "input_ids": pa.list_(pa.int32()),
        "kinds": pa.list_(pa.uint8()),
        **dict.fromkeys(("characters", "lost", "dropped", "cut", "cut_replies"), pa.int32()),
    }
    row: ClassVar[type[EncodedRow]] = EncodedRow

    @property
    def labels(self) -> list[int]:
        """(length,) the token id where a reply is learned, −100 elsewhere; not shifted."""
        return [token if kind == Kind.REPLY else -100 for token, kind in zip(self.input_ids, self.kinds, strict=True)]

    @property
    def pieces(self) -> list[tuple[int, Kind]]:
        """Tokens with what the loss does with each."""
        return [(token, Kind(kind)) for token, kind in zip(self.input_ids, self.kinds, strict=True)]


class Batch(TypedDict):
    """A padded batch.

    `input_ids`, `labels`, `context_labels`: (batch, length) int64, padded on the right. `labels` holds the token
    where a reply is learned, `context_labels` where a user's word is, both −100 elsewhere and not shifted.
    `characters`, `lost`: (batch,) int64, see `Example`. `ids`: the dialogues' ids. `tokens`: without padding.
    `position_ids`: (batch, length) int64, of packed dialogues: a row holds several, see `Pack`.
    """

    input_ids: torch.Tensor
    labels: torch.Tensor
    context_labels: torch.Tensor
    characters: torch.Tensor
    lost: torch.Tensor
    ids: list[str]
    tokens: int
    position_ids: NotRequired[torch.Tensor]


class Collate:
    """Pad examples on the right to the longest of the batch.

    Args:
        pad_id: token id of the padding; it is never learned nor attended to by a real token (causal attention).
    """

    def __init__(self, pad_id: int) -> None:
        self.pad_id = pad_id

    def __call__(self, examples: Sequence[Example | EncodedRow]) -> Batch:
        lengths = np.array([len(example.input_ids) for example in examples])
        filled = np.arange(lengths.max()) < lengths[:, None]
        input_ids = np.full(filled.shape, self.pad_id, dtype=np.int64)
        kinds = np.zeros(filled.shape, dtype=np.uint8)
        input_ids[filled] = np.concatenate([example.input_ids for example in examples])
        kinds[filled] = np.concatenate([example.kinds for example in examples])
        return {
            "input_ids": torch.from_numpy(input_ids),
            "labels": torch.from_numpy(np.where(kinds == Kind.REPLY, input_ids, IGNORE)),
            "context_labels": torch.from_numpy(np.where(kinds == Kind.CONTEXT, input_ids, IGNORE)),
            "characters": torch.tensor([int(example.characters) for example in examples]),
            "lost": torch.tensor([int(example.lost) for example in examples]),
            "ids": [example.id for example in examples],
            "tokens": int(lengths.sum()),
        }
