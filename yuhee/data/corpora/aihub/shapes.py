"""The shapes of AI Hub records: how each is recognised, and read."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from yuhee.data.corpora.aihub import daily, emotion, empathy, multisession, multiturn, others, sns
from yuhee.data.corpora.aihub.conversation import Conversation
from yuhee.errors import UserError


class Shape(NamedTuple):
    """A kind of record.

    Args:
        recognises: whether an object is one, by the keys that it holds.
        conversations: the dialogues of a record that it recognises; whatever else stands in it raises nothing.
    """

    recognises: Callable[[dict[str, Any]], bool]
    conversations: Callable[[dict[str, Any]], Iterator[Conversation]]


# In the order in which they are tried.
SHAPES: dict[str, tuple[Shape, ...]] = {
    "emotion": (
        Shape(emotion.is_record, emotion.conversations),
        Shape(emotion.is_row, emotion.row_conversations),
    ),
    "sns": (Shape(sns.is_record, sns.conversations),),
    "multisession": (Shape(multisession.is_record, multisession.conversations),),
    "daily": (Shape(daily.is_record, daily.conversations),),
    "empathy": (Shape(empathy.is_record, empathy.conversations),),
    "multiturn": (Shape(multiturn.is_record, multiturn.conversations),),
    "persona": (Shape(others.is_persona, others.persona),),
    "counselling": (Shape(others.is_counselling, others.counselling),),
    "wellness": (Shape(others.is_wellness, others.wellness),),
    "tweeter": (Shape(others.is_tweeter, others.tweeter),),
}


def named(shape: str | None) -> dict[str, tuple[Shape, ...]]:
    """The shape of that name, or all.

    Raises:
        UserError: there is none of that name.
    """
    if shape is None:
        return SHAPES
    if shape not in SHAPES:
        raise UserError(f"data.reader.shape={shape}: 그런 형식은 없습니다. {', '.join(SHAPES)} 중에서 골라 주세요.")
    return {shape: SHAPES[shape]}


def shape_of(record: Any, candidates: dict[str, tuple[Shape, ...]]) -> tuple[str, Shape] | None:
    """The name of the first shape that recognises a record, and how it is read."""
    if not isinstance(record, dict):
        return None
    for name, shapes in candidates.items():
        for shape in shapes:
            if shape.recognises(record):
                return name, shape
    return None
