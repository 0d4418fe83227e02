"""What an encoder is: the one place that knows how a family of models reads dialogues."""

import importlib
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

import pyarrow as pa
from tokenizers import Tokenizer

from yuhee.data.dialogue import Dialogue, Turn

_MODULE = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)


class EncodedExample(Protocol):
    """What is kept of a dialogue on disk: plain values, a column each, with the tokens in `input_ids`.

    Attributes:
        columns: name → Arrow type, in the order of the fields.
        row: the named tuple of those columns that a batch takes, as arrays.
    """

    columns: ClassVar[Mapping[str, pa.DataType]]
    row: ClassVar[Any]


class Encoder(Protocol):
    """Dialogue → examples → batch, for one family of models.

    The module of `yuhee.data.encoding` that holds an encoder is named as its `kind`.

    Attributes:
        kind: name of the encoder in bundles and checkpoints.
        network: the class of `transformers` that reads the networks this encoder feeds.
        task: of those networks, as the Hugging Face hub calls its pipelines.
        example: class of its examples, an `EncodedExample`.
        max_length: of one example, in tokens.
        emotion: `label` where labels are part of what the model reads.
    """

    kind: ClassVar[str]
    network: ClassVar[str]
    task: ClassVar[str]
    example: ClassVar[Any]
    max_length: int
    emotion: Literal["label", "none"]

    @property
    def settings(self) -> dict[str, Any]:
        """Plain values that, with the vocabulary, make the same encoder again."""

    @property
    def vocabulary(self) -> str:
        """Text of `tokenizer.json`."""

    @classmethod
    def restore(cls, vocabulary: str, settings: Mapping[str, Any]) -> "Encoder":
        """The encoder with those settings."""

    def encode(self, dialogues: Sequence[Dialogue]) -> Sequence[EncodedExample]:
        """Any number of examples for each dialogue, in order."""

    def collate(self, *, packing: bool = False) -> Callable[[Sequence[Any]], Any]:
        """What makes a batch of examples.

        Raises:
            UserError: packing, where the family cannot.
        """

    def special_ids(self) -> dict[str, int]:
        """What a network from scratch has to know: its vocabulary's size and special tokens, as its config names them."""

    def save(self, folder: Path, max_positions: int) -> None:
        """Write the files from which plain `transformers` makes the same tokenizer."""


class ReplyEncoder(Encoder, Protocol):
    """An encoder whose networks write replies.

    Attributes:
        tokenizer: what its ids mean.
        end_id: ends a reply.
        newline_id: a line break inside a reply, where that is a token of its own.
        control_ids: what text never holds.
    """

    tokenizer: Tokenizer
    end_id: int
    newline_id: int | None
    control_ids: frozenset[int]

    def prompt(
        self,
        turns: Sequence[Turn],
        max_length: int | None = None,
        spoken: Sequence[Sequence[int] | None] = (),
    ) -> list[int]:
        """Ids of a conversation that waits for a reply, trimmed as in training to `max_length` tokens.

        Args:
            spoken: (turns,) what a reply was generated as, None where that is unknown.
        """

    def learned(self, turns: Sequence[Turn]) -> list[int]:
        """Places of the turns with which a learned reply ends, in order."""

    def reply_ids(self, text: str) -> list[int]:
        """Ids of a reply's words, without its end."""

    def decode(self, ids: Sequence[int]) -> str:
        """Text of a reply's tokens, as people type it, without control tokens."""

    def whole_characters(self, ids: Sequence[int]) -> Sequence[int]:
        """The ids up to a last run of tokens which may yet grow into another character."""


def writes_replies(encoder: Any) -> bool:
    """Whether an encoder is a `ReplyEncoder`."""
    return hasattr(encoder, "prompt")


def encoder_class(kind: str) -> type[Encoder]:
    """The encoder of that name.

    Raises:
        ValueError: there is none.
    """
    if not _MODULE.fullmatch(kind):
        raise ValueError(f"no encoder is called {kind}")
    try:
        module = importlib.import_module(f"{__package__}.{kind}")
    except ModuleNotFoundError:
        raise ValueError(f"no encoder is called {kind}") from None
    for value in vars(module).values():
        if isinstance(value, type) and value.__module__ == module.__name__ and getattr(value, "kind", None) == kind:
            return value
    raise ValueError(f"no encoder is called {kind}")
