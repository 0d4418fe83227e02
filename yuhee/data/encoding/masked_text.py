"""Plain text for masked language models: what people say, turn by turn, whoever says it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, TypedDict

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from tokenizers import Encoding, Tokenizer

from yuhee.data.dialogue import Dialogue
from yuhee.data.encoding.labelled import padded
from yuhee.data.encoding.special_tokens import ROLES, SpecialTokens, framing
from yuhee.data.encoding.tokenizer import parse_tokenizer, readable, save_tokenizer
from yuhee.errors import UserError


class TextRow(NamedTuple):
    """What a batch takes of an example, as arrays."""

    id: str
    input_ids: npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class TextExample:
    """One turn, or a piece of a long one.

    Attributes:
        id: the dialogue's.
        input_ids: (length,) token ids with their frame.
        characters: of the turn; of its first piece alone.
        lost: characters that became an unknown token.
    """

    id: str
    input_ids: list[int]
    characters: int
    lost: int

    columns: ClassVar[Mapping[str, pa.DataType]] = {
        "id": pa.string(),
        "input_ids": pa.list_(pa.int32()),
        "characters": pa.int32(),
        "lost": pa.int32(),
    }
    row: ClassVar[type[TextRow]] = TextRow


class TextBatch(TypedDict):
    """A padded batch.

    `input_ids`: (batch, length) int64, padded on the right. `attention_mask`: (batch, length) int64, 0 on padding.
    `ids`: the dialogues' ids. `tokens`: without padding.
    """

    input_ids: torch.Tensor
    attention_mask: torch.Tensor
    ids: list[str]
    tokens: int


class CollateTexts:
    """Pad texts on the right to the longest of the batch."""

    def __init__(self, pad_id: int) -> None:
        self.pad_id = pad_id

    def __call__(self, examples: Sequence[TextExample | TextRow]) -> TextBatch:
        rows = [example.input_ids for example in examples]
        return {
            "input_ids": padded(rows, self.pad_id, np.int64),
            "attention_mask": padded([np.ones(len(row)) for row in rows], 0, np.int64),
            "ids": [example.id for example in examples],
            "tokens": sum(map(len, rows)),
        }


class MaskedTextEncoder:
    """Every turn of a dialogue as an example of its own; a long one in pieces, so that no text is left out.

    Which tokens are masked is the model's business, which draws them anew each epoch.

    Args:
        tokenizer: with a mask token.
        max_length: of one example, in tokens.

    Raises:
        UserError: the tokenizer lacks a special token.
    """

    kind: ClassVar[str] = "masked_text"
    network: ClassVar[str] = "AutoModelForMaskedLM"
    task: ClassVar[str] = "fill-mask"
    example: ClassVar[type[TextExample]] = TextExample
    emotion: Literal["label", "none"] = "none"

    def __init__(self, tokenizer: Tokenizer, *, max_length: int) -> None:
        self.tokenizer = framing(tokenizer)
        self.tokenizer.enable_truncation(max_length)  # what it cuts off overflows into further pieces
        self.special = SpecialTokens.of(self.tokenizer)
        if "mask_token" not in self.special.roles:
            raise UserError(
                f"토크나이저에 {'·'.join(ROLES['mask_token'])} 토큰이 없어 빈칸을 채우는 모델에 쓸 수 없습니다. "
                "그 토큰이 있는 BERT, RoBERTa, ELECTRA 계열 토크나이저를 model.tokenizer에 주세요."
            )
        self.max_length = max_length

    @property
    def settings(self) -> dict[str, Any]:
        """Plain values that, with the tokenizer, make the same encoder again."""
        return {"kind": self.kind, "max_length": self.max_length}

    @property
    def vocabulary(self) -> str:
        """Text of `tokenizer.json`."""
        return self.tokenizer.to_str()

    @classmethod
    def restore(cls, vocabulary: str, settings: Mapping[str, Any]) -> "MaskedTextEncoder":
        """The encoder with those settings."""
        return cls(parse_tokenizer(vocabulary), max_length=settings["max_length"])

    def encode(self, dialogues: Sequence[Dialogue]) -> list[TextExample]:
        """Examples of every turn, in order."""
        turns = [(dialogue.id, turn.text) for dialogue in dialogues for turn in dialogue.turns]
        encodings = self.tokenizer.encode_batch([self.special.defuse(text) for _, text in turns])
        return [
            TextExample(
                name,
                piece.ids,
                characters=len(text) if piece is encoding else 0,
                lost=self._lost(piece),
            )
            for (name, text), encoding in zip(turns, encodings, strict=True)
            for piece in (encoding, *encoding.overflowing)
        ]

    def pieces(self, example: TextExample) -> list[str]:
        """The tokens of an example as text."""
        return [readable(self.tokenizer.id_to_token(token) or "") for token in example.input_ids]

    def collate(self, *, packing: bool = False) -> Callable[[Sequence[Any]], TextBatch]:
        """What makes a batch of examples.

        Raises:
            UserError: packing, for every token of a row sees all others.
        """
        if packing:
            raise UserError("data.packing=true: 양쪽을 다 보는 모델은 글을 이어 놓고 배울 수 없습니다. false로 두세요.")
        return CollateTexts(self.special["pad_token"])

    def special_ids(self) -> dict[str, int]:
        """Values of a network's config that follow from the vocabulary."""
        return self.special.network_ids(self.tokenizer)

    def save(self, folder: Path, max_positions: int) -> None:
        """Write tokenizer files."""
        save_tokenizer(self.tokenizer, folder, min(max_positions, self.max_length), **self.special.roles)

    def _lost(self, piece: Encoding) -> int:
        """Characters that became an unknown token."""
        unknown = self.special.ids.get(self.special.roles.get("unk_token", ""))
        spans = zip(piece.ids, piece.offsets, strict=True)
        return sum(end - start for token, (start, end) in spans if token == unknown)
