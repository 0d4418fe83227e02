"""A classifier from Python: what does somebody feel who says this?"""

from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
import torch

from yuhee import bundle
from yuhee.data.dialogue import Turn
from yuhee.errors import UserError

BATCH = 64  # messages


class Classifier:
    """A model that tells labels from messages.

    Attributes:
        model: network, encoder and facts.
        labels: in the order of the network's outputs.
    """

    def __init__(self, model: bundle.Model) -> None:
        if torch.cuda.is_available():
            model.network.to("cuda")
        self.model = model
        self.labels: list[str] = list(model.encoder.labels)

    def classify(self, text: str) -> dict[str, float]:
        """Label → probability, the likeliest first; they sum to 1. Those of a bundle are calibrated.

        Raises:
            UserError: not a text, or a blank one.
        """
        try:
            message = Turn("user", text)
        except ValueError as error:
            raise UserError(f"감정을 읽을 수 없습니다({error}). 한 글자라도 있는 글을 주세요.") from None
        [row] = self.probabilities([message.text])
        return {self.labels[index]: float(row[index]) for index in np.argsort(-row, kind="stable")}

    @torch.inference_mode()
    def probabilities(self, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        """(texts, labels) probabilities, the labels in their own order."""
        encoder, network = self.model.encoder, self.model.network
        rows = encoder.read(texts)
        collate = encoder.collate()
        found = [np.zeros((0, len(self.labels)))]
        order = sorted(range(len(rows)), key=lambda index: len(rows[index].input_ids))
        for start in range(0, len(order), BATCH):
            batch = collate([rows[index] for index in order[start : start + BATCH]])
            inputs = {name: value.to(network.device) for name, value in batch["inputs"].items()}
            found.append(network(**inputs).logits.double().softmax(-1).cpu().numpy())
        result: npt.NDArray[np.float64] = np.concatenate(found)[np.argsort(order, kind="stable")]
        return result

    def reply(self, *message: Any, **options: Any) -> NoReturn:
        """Refuse: this model does not talk.

        Raises:
            UserError: always.
        """
        raise UserError(NO_REPLIES)

    stream = session = reply


NO_REPLIES = (
    "이 모델은 감정을 가려낼 뿐 대답하지 않습니다. .classify(글)을 쓰거나, "
    "이야기하려면 model=tiny 처럼 답을 쓰는 모델을 학습해 주세요."
)
