"""What goes into the emotion slot of the user's messages: a label, nothing, or what a classifier reads from them."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from yuhee.chat.companion import Companion
from yuhee.errors import UserError

AUTO = "auto"
NONE = "none"


class Reader(Protocol):
    """A classifier of what people say."""

    @property
    def labels(self) -> Sequence[str]:
        """All labels it gives."""

    def classify(self, text: str) -> Mapping[str, float]:
        """Label → probability, the likeliest first."""


class EmotionSlot:
    """Chooses the label of each message the user types.

    Args:
        companion: whose slot it is.
        choice: a label; None for an empty slot; `auto` to ask the reader.
        reader: for `auto`.

    Attributes:
        heard: how the reader took the last message, for people; None where it was not asked.

    Raises:
        UserError: a label that the companion does not know, or `auto` without a reader that knows its labels.
    """

    def __init__(self, companion: Companion, choice: str | None = None, reader: Reader | None = None) -> None:
        self.companion = companion
        self.reader = reader
        self.heard: str | None = None
        self.choice: str | None = None
        self.choose(choice)

    def choose(self, choice: str | None) -> None:
        """Change it for the messages to come.

        Raises:
            UserError: as above; the choice before stays.
        """
        if choice == AUTO:
            self._check_reader()
        elif choice is not None:
            self.companion.check_emotion(choice)
        self.choice = choice

    def label(self, text: str) -> str | None:
        """The label of a message."""
        self.heard = None
        if self.choice != AUTO or self.reader is None:
            return self.choice
        label, share = next(iter(self.reader.classify(text).items()))
        self.heard = f"감정 {label} ({100 * share:.0f}%)"
        return label

    def _check_reader(self) -> None:
        known = self.companion.emotion_labels
        if not known:
            raise UserError("emotion=auto: 감정 없이 학습한 모델이라 읽은 감정을 넣을 자리가 없습니다.")
        if self.reader is None:
            raise UserError(
                "emotion=auto: 감정을 읽는 모델이 없습니다. 같은 말뭉치로 'python train.py model=emotion_linear' 를 "
                "학습하거나 --emotion-model 에 그 실행 폴더를 주세요."
            )
        if strange := [label for label in self.reader.labels if label not in known]:
            raise UserError(
                f"emotion=auto: 감정 모델의 표지 {', '.join(strange)}을(를) 대화 모델이 모릅니다(아는 것: {', '.join(known)}). "
                "같은 말뭉치로 학습한 감정 모델을 주세요."
            )
