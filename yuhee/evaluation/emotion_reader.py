"""Who reads the emotion of a text in an evaluation."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sklearn.pipeline import make_pipeline

from yuhee.chat.companion import load_classifier
from yuhee.data.dialogue import Dialogue
from yuhee.data.encoding.character_tfidf import vectorizer
from yuhee.data.encoding.labelled import labelled
from yuhee.errors import UserError
from yuhee.models.emotion_linear import regression


class LinearReader:
    """Character TF-IDF and logistic regression.

    Args:
        examples: (text, label) of the training split.

    Raises:
        UserError: they bear fewer than two labels.
    """

    title = "글자 TF-IDF + 로지스틱 회귀"

    def __init__(self, examples: Sequence[tuple[str, str]]) -> None:
        if len({label for _, label in examples}) < 2:
            raise UserError("학습 대화의 감정 표지가 두 가지보다 적어 감정을 읽는 법을 배울 수 없습니다.")
        texts, labels = zip(*examples, strict=True)
        self._pipeline = make_pipeline(vectorizer(), regression()).fit(texts, labels)

    @property
    def labels(self) -> list[str]:
        """In the order of `probabilities`."""
        return [str(label) for label in self._pipeline.classes_]

    def probabilities(self, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        """(texts, labels)."""
        found: npt.NDArray[np.float64] = self._pipeline.predict_proba(list(texts))
        return found

    def read(self, texts: Sequence[str]) -> list[str]:
        """The likeliest label of each text."""
        return [str(label) for label in self._pipeline.predict(list(texts))]


def messages(dialogues: Iterable[Dialogue]) -> list[tuple[str, str]]:
    """What users said, with its label: what classifiers learn from."""
    return [(message.text, message.label) for message in labelled(dialogues)]


def replies(dialogues: Iterable[Dialogue]) -> list[tuple[str, str]]:
    """What was replied to labelled messages, with their label."""
    return [
        (reply.text, before.emotion)
        for dialogue in dialogues
        for before, reply in pairwise(dialogue.turns)
        if before.role == "user" and before.emotion and reply.role == "assistant"
    ]


class ModelReader:
    """A trained classifier.

    Args:
        path: of the model.
        labels: that it may give.

    Raises:
        UserError: no classifier, or one of other labels.
    """

    def __init__(self, path: Path, labels: Sequence[str]) -> None:
        self._classifier = load_classifier(path)
        if strange := [label for label in self._classifier.labels if label not in labels]:
            raise UserError(
                f"{path}: 감정 모델의 표지 {', '.join(strange)}이(가) 평가할 모델의 표지({', '.join(labels)})에 없습니다. "
                "같은 말뭉치로 학습한 감정 모델을 주세요."
            )
        self.title = str(self._classifier.model.facts["model"])

    def read(self, texts: Sequence[str]) -> list[str]:
        """The likeliest label of each text."""
        likeliest = self._classifier.probabilities(texts).argmax(axis=1)
        return [self._classifier.labels[index] for index in likeliest]
