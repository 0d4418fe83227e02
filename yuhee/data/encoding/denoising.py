"""Plain text for BART's pre-training: a conversation line by line, whoever says it, to be restored from what noise left.

reads   <s>{line}<unused0>{line with <mask> for some words}…</s>      lines in another order
writes  {line}<unused0>{line}…</s>
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple, TypedDict

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from tokenizers import Tokenizer

from yuhee.data.dialogue import Dialogue
from yuhee.data.encoding.marked import lost_characters
from yuhee.data.encoding.markers import MASK
from yuhee.data.encoding.reply_example import Kind
from yuhee.data.encoding.seq2seq import START, BARTEncoder
from yuhee.data.encoding.seq2seq_example import Seq2SeqBatch, Seq2SeqExample
from yuhee.errors import UserError


class TextRow(NamedTuple):
    """What a batch takes of a text, as arrays."""

    id: str
    input_ids: npt.NDArray[np.int32]
    characters: int
    lost: int


@dataclass(frozen=True, slots=True)
class TextExample:
    """Some lines of a conversation as they should be.

    Attributes:
        id: the dialogue's.
        input_ids: (length,) token ids, a line break between two lines, without frame and without noise.
        characters: of the lines, plus one for the end of each.
        lost: characters that decoding the tokens does not give back.
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

    @property
    def pieces(self) -> list[tuple[int, Kind]]:
        """Tokens with what the loss does with each."""
        return [(token, Kind.REPLY) for token in self.input_ids]


class TextBatch(TypedDict):
    """Texts to which noise has yet to come. `tokens`: of them all."""

    texts: list[TextExample | TextRow]
    ids: list[str]
    tokens: int


def collate_texts(examples: Sequence[TextExample | TextRow]) -> TextBatch:
    """A batch of examples as they are."""
    return {
        "texts": list(examples),
        "ids": [example.id for example in examples],
        "tokens": sum(len(example.input_ids) for example in examples),
    }


class DenoisingEncoder(BARTEncoder):
    """Every dialogue as a text of lines, a long one in pieces, with the vocabulary of the chat that follows.

    Raises:
        UserError: the tokenizer is no BART's, or lacks a mask token.
    """

    kind: ClassVar[str] = "denoising"
    example: ClassVar[Any] = TextExample

    def __init__(
        self,
        tokenizer: Tokenizer,
        *,
        max_length: int,
        emotion: Literal["label", "none"] = "none",
        punctuation: Literal["keep", "strip"] = "keep",
    ) -> None:
        super().__init__(tokenizer, max_length=max_length, emotion=emotion, punctuation=punctuation)
        if MASK not in self.markers.control:
            raise UserError(
                f"토크나이저에 {MASK} 토큰이 없어 빈칸을 채우며 배울 수 없습니다. "
                "model.tokenizer에 그 토큰이 있는 BART의 토크나이저를 주세요."
            )

    def collate(self, *, packing: bool = False) -> Any:
        """What makes a batch of examples; its noise is the model's business, which draws it anew each epoch."""
        super().collate(packing=packing)
        return collate_texts

    def encode(self, dialogues: Sequence[Dialogue]) -> list[TextExample]:
        """Examples of each dialogue, in order; figures of a whole dialogue stand with its first."""
        texts = [turn.text for dialogue in dialogues for turn in dialogue.turns]
        encodings = self.tokenizer.encode_batch_fast([self._text(text) for text in texts], add_special_tokens=False)
        ids = [encoding.ids for encoding in encodings]
        lost = [lost_characters(text, back) for text, back in zip(texts, self._decode(ids), strict=True)]
        turns = iter(zip(texts, ids, lost, strict=True))
        return [piece for each in dialogues for piece in self._pieces(each.id, [next(turns) for _ in each.turns])]

    def with_noise(self, texts: Sequence[TextExample | TextRow], noised: Sequence[Sequence[int]]) -> Seq2SeqBatch:
        """The batch in which texts are to be restored.

        Args:
            noised: (texts,) ids that are left of each.
        """
        start = self.markers[START]
        examples = [
            Seq2SeqExample(
                text.id,
                [start, *left, self.end_id],
                [],
                [*text.input_ids, self.end_id],
                int(text.characters),
                int(text.lost),
            )
            for text, left in zip(texts, noised, strict=True)
        ]
        return super().collate()(examples)

    def _pieces(self, name: str, turns: Sequence[tuple[str, list[int], int]]) -> Iterator[TextExample]:
        ids = [token for _, turn, _ in turns for token in (*turn, self.newline_id)][:-1]
        figures = sum(len(text) + 1 for text, _, _ in turns), sum(lost for _, _, lost in turns)
        while ids:
            piece, ids = self._first(ids)
            yield TextExample(name, piece, *figures)
            figures = 0, 0

    def _first(self, ids: list[int]) -> tuple[list[int], list[int]]:
        """As many whole lines as fit, or else as much of the first, and the rest."""
        limit = self.max_length - 2
        if len(ids) <= limit:
            return ids, []
        breaks = [place for place in range(1, limit + 1) if ids[place] == self.newline_id]
        return (ids[: breaks[-1]], ids[breaks[-1] + 1 :]) if breaks else (ids[:limit], ids[limit:])
