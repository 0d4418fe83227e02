"""What an encoder-decoder network reads and writes, as examples and batches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, TypedDict

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch

from yuhee.data.encoding.reply_example import IGNORE, Kind


class Seq2SeqRow(NamedTuple):
    """What a batch takes of an example, as arrays."""

    id: str
    input_ids: npt.NDArray[np.int32]
    reply_ids: npt.NDArray[np.int32]
    characters: int
    lost: int


@dataclass(frozen=True, slots=True)
class Seq2SeqExample:
    """One reply, and what was said before it.

    Attributes:
        id: the dialogue's.
        input_ids: (length,) token ids that the encoder reads.
        kinds: (length,) `Kind` of each, for people.
        reply_ids: (reply,) token ids that the decoder writes, its end token included.
        characters, lost, dropped, cut, cut_replies: see `reply_example.Example`.
    """

    id: str
    input_ids: list[int]
    kinds: list[int]
    reply_ids: list[int]
    characters: int
    lost: int
    dropped: int = 0
    cut: int = 0
    cut_replies: int = 0

    columns: ClassVar[Mapping[str, pa.DataType]] = {
        "id": pa.string(),
        "input_ids": pa.list_(pa.int32()),
        "kinds": pa.list_(pa.uint8()),
        "reply_ids": pa.list_(pa.int32()),
        **dict.fromkeys(("characters", "lost", "dropped", "cut", "cut_replies"), pa.int32()),
    }
    row: ClassVar[type[Seq2SeqRow]] = Seq2SeqRow

    @property
    def labels(self) -> list[int]:
        """(1 + reply,) what is learned of the token that starts every reply and of the reply; not shifted."""
        return [IGNORE, *self.reply_ids]

    @property
    def pieces(self) -> list[tuple[int, Kind]]:
        """Tokens with what the loss does with each, in the order in which people read them."""
        read = [(token, Kind(kind)) for token, kind in zip(self.input_ids, self.kinds, strict=True)]
        return [*read, *((token, Kind.REPLY) for token in self.reply_ids)]


class Seq2SeqBatch(TypedDict):
    """A padded batch.

    `input_ids`, `attention_mask`: (batch, length) int64, padded on the right. `decoder_input_ids`, `labels`:
    (batch, 1 + reply) int64; the first begins with the token that starts every reply, the second holds the same tokens
    where they are learned and −100 elsewhere, not shifted. `characters`, `lost`: (batch,) int64. `ids`: the dialogues'
    ids. `tokens`: of both sides, without padding.
    """

    input_ids: torch.Tensor
    attention_mask: torch.Tensor
    decoder_input_ids: torch.Tensor
    labels: torch.Tensor
    characters: torch.Tensor
    lost: torch.Tensor
    ids: list[str]
    tokens: int


class Seq2SeqCollate:
    """Pad examples on the right to the longest of the batch.

    Args:
        pad_id: token id of the padding; the encoder's is masked, and nothing after a reply's end is learned.
        start_id: token id that starts every reply.
    """

    def __init__(self, pad_id: int, start_id: int) -> None:
        self.pad_id = pad_id
        self.start_id = start_id

    def __call__(self, examples: Sequence[Seq2SeqExample | Seq2SeqRow]) -> Seq2SeqBatch:
        input_ids, mask = padded([example.input_ids for example in examples], self.pad_id)
        written, learned = padded([[self.start_id, *example.reply_ids] for example in examples], self.pad_id)
        labels = written.masked_fill(~learned, IGNORE)
        labels[:, 0] = IGNORE
        return {
            "input_ids": input_ids,
            "attention_mask": mask.long(),
            "decoder_input_ids": written,
            "labels": labels,
            "characters": torch.tensor([int(example.characters) for example in examples]),
            "lost": torch.tensor([int(example.lost) for example in examples]),
            "ids": [example.id for example in examples],
            "tokens": int(mask.sum() + learned.sum()) - len(examples),
        }


def padded(rows: Sequence[Sequence[int] | npt.NDArray[Any]], pad_id: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(batch, length) int64 ids, padded on the right, and the bool mask of those that are no padding."""
    lengths = np.array([len(row) for row in rows])
    filled = np.arange(lengths.max()) < lengths[:, None]
    ids = np.full(filled.shape, pad_id, dtype=np.int64)
    ids[filled] = np.concatenate(rows)
    return torch.from_numpy(ids), torch.from_numpy(filled)
