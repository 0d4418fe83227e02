"""Labelled messages: what a classifier learns from a dialogue."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, ClassVar, NamedTuple, Protocol, TypedDict

import numpy as np
import torch

from yuhee.data.config import DataConfig
from yuhee.data.dialogue import Dialogue
from yuhee.data.encoding.encoder import Encoder
from yuhee.data.splits import SPLITS, Split
from yuhee.errors import UserError


class Labelled(NamedTuple):
    """A user's message with its emotion label."""

    id: str
    text: str
    label: str


class LabelledBatch(TypedDict):
    """A batch of messages.

    `inputs`: what the network's `forward` takes, each (batch, length). `labels`: (batch,) int64 index of each label.
    `ids`: names of the messages. `tokens`: without padding.
    """

    inputs: dict[str, torch.Tensor]
    labels: torch.Tensor
    ids: list[str]
    tokens: int


class LabelEncoder(Encoder, Protocol):
    """An encoder whose networks tell labels.

    Attributes:
        labels: in the order of the network's outputs.
    """

    task: ClassVar[str]
    labels: tuple[str, ...]

    def read(self, texts: Sequence[str]) -> Sequence[Any]:
        """Examples of messages whose labels nobody knows, for `collate`."""

    def pieces(self, example: Any) -> list[str]:
        """What the network reads of a message, piece by piece, for people."""

    def collate(self, *, packing: bool = False) -> Callable[[Sequence[Any]], LabelledBatch]: ...


def labelled(dialogues: Iterable[Dialogue]) -> Iterator[Labelled]:
    """The user's messages that have a label, in order."""
    for dialogue in dialogues:
        for place, turn in enumerate(dialogue.turns):
            if turn.role == "user" and turn.emotion is not None:
                yield Labelled(f"{dialogue.id}#{place}", turn.text, turn.emotion)


def unlabelled(dialogues: Iterable[Dialogue]) -> Iterator[str]:
    """The user's messages without a label, in order; with `data.few_shot` most of them are."""
    for dialogue in dialogues:
        for turn in dialogue.turns:
            if turn.role == "user" and turn.emotion is None:
                yield turn.text


def labels_of(data: DataConfig, split: Split) -> tuple[str, ...]:
    """The labels of a corpus, sorted.

    Raises:
        UserError: it has none or only one, or none is left in the training split.
    """
    found = {name: {each.label for each in labelled(getattr(split, name))} for name in SPLITS}
    labels = tuple(sorted(set().union(*found.values())))
    if len(labels) < 2:
        kinds = "감정 표지가 없어" if not labels else f"감정 표지가 {labels[0]} 한 가지뿐이라"
        raise UserError(
            f"data={data.name}: 이 말뭉치에는 {kinds} 감정을 가려내는 모델을 학습할 수 없습니다. "
            "data=songys 처럼 표지가 있는 말뭉치를 고르거나 답을 쓰는 모델(model=tiny)을 학습하세요."
        )
    if missing := [label for label in labels if label not in found["train"]]:
        raise UserError(
            f"data={data.name}: 감정 {', '.join(missing)}의 예가 학습 부분에 하나도 없습니다. "
            "data.split.seed를 바꾸거나 그 감정의 대화를 더 모아 주세요."
        )
    return labels


def label_names(labels: Sequence[str]) -> dict[str, Any]:
    """Values of a network's config that name its outputs."""
    return {
        "id2label": dict(enumerate(labels)),
        "label2id": {label: index for index, label in enumerate(labels)},
    }


def check_data(data: DataConfig) -> None:
    """Refuse settings that only a model which writes replies can follow.

    Raises:
        UserError: naming the setting.
    """
    for key, value in (("history", data.history), ("packing", data.packing or None)):
        if value is not None:
            raise UserError(f"data.{key}={value}: 답을 쓰는 모델의 설정입니다. 감정을 가려내는 모델에서는 빼 주세요.")


def padded(rows: Sequence[Any], value: int | float, dtype: Any) -> torch.Tensor:
    """(batch, length) rows of different lengths, filled up on the right."""
    lengths = np.array([len(row) for row in rows])
    filled = np.arange(max(lengths.max(), 1)) < lengths[:, None]
    table = np.full(filled.shape, value, dtype=dtype)
    table[filled] = np.concatenate(rows)
    return torch.from_numpy(table)
