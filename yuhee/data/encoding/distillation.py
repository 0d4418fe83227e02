"""Messages for a classifier that learns what other models think of them: those without a label count, too."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from yuhee.data.dialogue import Dialogue
from yuhee.data.encoding.classification import ClassificationEncoder, Example

UNLABELLED = -100


class Message(NamedTuple):
    """A user's message, with its emotion label where it has one."""

    id: str
    text: str
    label: str | None


def messages(dialogues: Iterable[Dialogue]) -> Iterator[Message]:
    """All that users say, in order."""
    for dialogue in dialogues:
        for place, turn in enumerate(dialogue.turns):
            if turn.role == "user":
                yield Message(f"{dialogue.id}#{place}", turn.text, turn.emotion)


class DistillationEncoder(ClassificationEncoder):
    """A `ClassificationEncoder` that also encodes messages without a label, whose label is −100."""

    @property
    def settings(self) -> dict[str, Any]:
        return {**super().settings, "unlabelled": True}  # other examples than the plain encoder's, which are cached

    def encode(self, dialogues: Sequence[Dialogue]) -> list[Example]:
        """Every message of the users, in one call of the tokenizer."""
        found = list(messages(dialogues))
        encodings = self._encodings([message.text for message in found])
        return [
            Example(message.id, encoding.ids, self._index(message.label), int(bool(encoding.overflowing)))
            for message, encoding in zip(found, encodings, strict=True)
        ]

    def _index(self, label: str | None) -> int:
        return UNLABELLED if label is None else self.labels.index(label)
