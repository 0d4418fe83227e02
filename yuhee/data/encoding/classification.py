"""Messages for networks that read a text and tell its label (BERT, RoBERTa, ELECTRA and their like).

    [CLS] {message} [SEP] → label

One example per labelled message of the user, by itself: who answers it has not said anything yet.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from tokenizers import Tokenizer

from yuhee.data.dialogue import Dialogue
from yuhee.data.encoding.labelled import LabelledBatch, labelled, padded
from yuhee.data.encoding.special_tokens import SpecialTokens, framing
from yuhee.data.encoding.tokenizer import parse_tokenizer, readable, save_tokenizer
from yuhee.errors import UserError


class Row(NamedTuple):
    """What a batch takes of an example: its first fields, as arrays."""

    id: str
    input_ids: npt.NDArray[np.int32]
    label: int


@dataclass(frozen=True, slots=True)
class Example:
    """One message.

    Attributes:
        id: of the dialogue, and the turn's place in it.
        input_ids: (length,) token ids, special tokens included.
        label: index of its label.
        cut: 1 if its beginning was cut off.
    """

    id: str
    input_ids: list[int]
    label: int
    cut: int = 0

    columns: ClassVar[Mapping[str, pa.DataType]] = {
        "id": pa.string(),
        "input_ids": pa.list_(pa.int32()),
        "label": pa.int32(),
        "cut": pa.int32(),
    }
    row: ClassVar[type[Row]] = Row


class ClassificationEncoder:
    """Encodes messages; the same code path serves training and `classify`.

    Args:
        tokenizer: with tokens for padding and for both ends of a text.
        labels: in the order of the network's outputs.
        max_length: of one example, in tokens. A longer message loses its beginning: in Korean the predicate, and with
            it most of what a speaker feels, stands at the end.

    Raises:
        UserError: the tokenizer lacks a special token.
    """

    kind: ClassVar[str] = "classification"
    network: ClassVar[str] = "AutoModelForSequenceClassification"
    task: ClassVar[str] = "text-classification"
    example: ClassVar[type[Example]] = Example
    emotion: Literal["label", "none"] = "none"

    def __init__(self, tokenizer: Tokenizer, *, labels: Sequence[str], max_length: int) -> None:
        self.tokenizer = framing(tokenizer)
        self.tokenizer.enable_truncation(max_length, direction="left")
        self.special = SpecialTokens.of(self.tokenizer)
        self.labels = tuple(labels)
        self.max_length = max_length

    @property
    def settings(self) -> dict[str, Any]:
        """Plain values that, with the tokenizer, make the same encoder again."""
        return {"kind": self.kind, "labels": list(self.labels), "max_length": self.max_length}

    @property
    def vocabulary(self) -> str:
        """Text of `tokenizer.json`."""
        return self.tokenizer.to_str()

    @classmethod
    def restore(cls, vocabulary: str, settings: Mapping[str, Any]) -> "ClassificationEncoder":
        """The encoder with those settings."""
        return cls(parse_tokenizer(vocabulary), labels=settings["labels"], max_length=settings["max_length"])

    def encode(self, dialogues: Sequence[Dialogue]) -> list[Example]:
        """The labelled messages of many dialogues, in one call of the tokenizer."""
        messages = list(labelled(dialogues))
        encodings = self._encodings([message.text for message in messages])
        return [
            Example(message.id, encoding.ids, self.labels.index(message.label), int(bool(encoding.overflowing)))
            for message, encoding in zip(messages, encodings, strict=True)
        ]

    def read(self, texts: Sequence[str]) -> list[Row]:
        """Examples of messages whose labels nobody knows."""
        return [Row("", np.array(encoding.ids, dtype=np.int32), 0) for encoding in self._encodings(texts)]

    def pieces(self, example: Example) -> list[str]:
        """What the network reads of a message, piece by piece, for people."""
        return [readable(self.tokenizer.id_to_token(token) or "") for token in example.input_ids]

    def collate(self, *, packing: bool = False) -> "Collate":
        """What makes a batch of examples.

        Raises:
            UserError: packing, of which a short message has no use.
        """
        if packing:
            raise UserError("data.packing=true: 감정을 가려내는 모델은 글을 이어 놓지 않습니다. false로 두세요.")
        return Collate(self.special["pad_token"])

    def special_ids(self) -> dict[str, int]:
        """Values of a network's config that follow from the vocabulary."""
        return self.special.network_ids(self.tokenizer)

    def save(self, folder: Path, max_positions: int) -> None:
        """Write tokenizer files; they cut a text where this encoder does, whatever the network has positions for."""
        names = ["input_ids", "attention_mask"]
        saved: dict[str, Any] = {**self.special.roles, "truncation_side": "left", "model_input_names": names}
        save_tokenizer(self.tokenizer, folder, min(max_positions, self.max_length), **saved)

    def _encodings(self, texts: Sequence[str]) -> list[Any]:
        encodings: list[Any] = self.tokenizer.encode_batch([self.special.defuse(text) for text in texts])
        return encodings


class Collate:
    """Pad examples on the right to the longest of the batch.

    Args:
        pad_id: token id of the padding, which the attention mask hides.
    """

    def __init__(self, pad_id: int) -> None:
        self.pad_id = pad_id

    def __call__(self, examples: Sequence[Example | Row]) -> LabelledBatch:
        rows = [example.input_ids for example in examples]
        return {
            "inputs": {
                "input_ids": padded(rows, self.pad_id, np.int64),
                "attention_mask": padded([np.ones(len(row)) for row in rows], 0, np.int64),
            },
            "labels": torch.tensor([int(example.label) for example in examples]),
            "ids": [example.id for example in examples],
            "tokens": sum(map(len, rows)),
        }
