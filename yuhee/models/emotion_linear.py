"""The emotion classifier for little data and little patience: character TF-IDF and logistic regression, in seconds."""

from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from yuhee.data.config import DataConfig, Section
from yuhee.data.encoding.character_tfidf import CharacterTfidfEncoder
from yuhee.data.encoding.labelled import LabelledBatch, check_data, label_names, labelled, labels_of
from yuhee.data.example_store import ExampleStore
from yuhee.data.splits import Split
from yuhee.models.character_linear import CharacterLinear, CharacterLinearConfig
from yuhee.models.classifier import Classifier

INVERSE_PENALTY = 3.0
ABSENT = -20.0  # logit of a label that no example has


class EmotionLinearConfig(Section):
    """Keys of `model.*`.

    Attributes:
        name: of the model, for cards and reports.
        inverse_penalty: the larger, the closer the fit (scikit-learn's `C`).
        class_weights: `balanced` weighs each label by messages ÷ (labels × messages with that label).
    """

    target: str = Field(alias="_target_")
    name: str
    inverse_penalty: float = Field(INVERSE_PENALTY, gt=0)
    class_weights: Literal["none", "balanced"] = "none"


class EmotionLinear(Classifier):
    """Fitted whole by scikit-learn before the first batch; the epoch that follows counts, and changes nothing."""

    Config = EmotionLinearConfig
    family = "emotion_linear"
    encoder: CharacterTfidfEncoder

    @staticmethod
    def make_encoder(config: EmotionLinearConfig, data: DataConfig, split: Split) -> CharacterTfidfEncoder:
        """The encoder with the n-grams of the labelled training messages.

        Raises:
            UserError: the corpus has no labels.
        """
        check_data(data)
        labels = labels_of(data, split)
        texts = [message.text for message in labelled(split.train)]
        return CharacterTfidfEncoder.fitted(texts, labels=labels, max_length=data.max_length)

    @classmethod
    def create(
        cls, config: EmotionLinearConfig, encoder: CharacterTfidfEncoder, facts: dict[str, Any]
    ) -> "EmotionLinear":
        """An empty network."""
        shape = CharacterLinearConfig(**encoder.special_ids(), **label_names(encoder.labels))
        return cls(CharacterLinear(shape), encoder, config, facts)

    def on_fit_start(self) -> None:
        self.fit(self.trainer.datamodule.examples["train"])  # type: ignore[attr-defined]

    @torch.no_grad()
    def fit(self, examples: ExampleStore) -> None:
        """Set the weights to those of the logistic regression of the examples."""
        rows = examples.__getitems__(range(len(examples)))
        ends = np.cumsum([0, *(len(row.input_ids) for row in rows)])
        features, weights = (np.concatenate([getattr(row, name) for row in rows]) for name in ("input_ids", "weights"))
        table = csr_matrix((weights, features, ends), shape=(len(rows), len(self.encoder.ngrams)))
        fitted = regression(self.config.inverse_penalty, self.config.class_weights)
        fitted.fit(table, [row.label for row in rows])
        rows_of, shift = fitted.coef_, fitted.intercept_
        if len(fitted.classes_) == 2:  # the one row is about the second label
            rows_of, shift = np.vstack([-rows_of, rows_of]) / 2, np.concatenate([-shift, shift]) / 2
        self.network.bag.weight.zero_()
        self.network.bag.weight[:, fitted.classes_] = torch.tensor(rows_of.T, dtype=torch.float32, device=self.device)
        self.network.bias.fill_(ABSENT)
        self.network.bias[fitted.classes_] = torch.tensor(shift, dtype=torch.float32, device=self.device)

    @torch.no_grad()
    def training_step(self, batch: LabelledBatch, batch_idx: int) -> None:  # type: ignore[override]
        """Count; without a loss Lightning makes no gradient."""
        found = self.objective(batch)
        self._step.add(found.value, found.weight, found.totals)

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=0.0)  # there is nothing left to learn

    @torch.no_grad()
    def scale_logits(self, factor: float) -> None:
        """Multiply all logits by a factor, in the weights."""
        for parameter in self.network.parameters():
            parameter.mul_(factor)

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        """What a batch holds as `inputs` → (batch, labels) logits in float32, whatever the precision of the run."""
        with torch.autocast(self.device.type, enabled=False):
            return super().forward(inputs)


def regression(inverse_penalty: float = INVERSE_PENALTY, class_weights: str = "none") -> LogisticRegression:
    """scikit-learn's, not yet fitted."""
    weights = None if class_weights == "none" else class_weights
    return LogisticRegression(C=inverse_penalty, class_weight=weights, max_iter=1000)
