"""Emotion classifiers: RoBERTa, BERT, ELECTRA or any other network with a head for labels."""

from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field, model_validator

from yuhee.data.config import DataConfig
from yuhee.data.encoding.classification import ClassificationEncoder
from yuhee.data.encoding.labelled import check_data, label_names, labels_of
from yuhee.data.encoding.tokenizer import train_tokenizer
from yuhee.data.splits import Split
from yuhee.errors import UserError
from yuhee.models.classifier import Classifier
from yuhee.models.family_config import FamilyConfig
from yuhee.models.positions import longest_input
from yuhee.models.pretrained import check_checkpoint, check_vocabulary, checkpoint_labels, load_network, load_tokenizer
from yuhee.models.random_network import random_network

FINE_TUNING, FROM_SCRATCH = 5.0e-5, 1.0e-3  # peak learning rates


class EmotionRobertaConfig(FamilyConfig):
    """Keys of `model.*`.

    Attributes:
        lr: null takes 5e-5 for a checkpoint and 1e-3 from scratch.
        class_weights: `balanced` weighs each label by messages ÷ (labels × messages with that label).
        label_smoothing: share of the right label's probability that is spread over all of them; figures are of the
            plain loss.
        token_dropout: share of the tokens that the network reads as the tokenizer's mask in training.
    """

    class_weights: Literal["none", "balanced"] = "none"
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    token_dropout: float = Field(0.0, ge=0, lt=1)

    @model_validator(mode="before")
    @classmethod
    def _default_rate(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("lr") is None:
            return {**values, "lr": FROM_SCRATCH if values.get("from_scratch") else FINE_TUNING}
        return values


class EmotionRoberta(Classifier):
    """A pretrained or small network that reads a message and tells its label."""

    Config: ClassVar[type[EmotionRobertaConfig]] = EmotionRobertaConfig
    family = "emotion_roberta"
    encoder: ClassificationEncoder

    @staticmethod
    def make_encoder(config: EmotionRobertaConfig, data: DataConfig, split: Split) -> ClassificationEncoder:
        """The encoder for this model, with the checkpoint's tokenizer or one trained on the training split.

        Raises:
            UserError: the corpus has no labels, or some that the checkpoint does not know.
        """
        check_data(data)
        labels = labels_of(data, split)
        pretrained = None if config.from_scratch else config.pretrained
        check_checkpoint(config, ClassificationEncoder.network)
        if pretrained and (known := checkpoint_labels(pretrained, "model.pretrained")):
            if unknown := [label for label in labels if label not in known]:
                raise UserError(
                    f"model.pretrained={pretrained}: 이 모델이 모르는 감정 {', '.join(unknown)}이(가) 말뭉치에 있습니다"
                    f"(아는 것: {', '.join(known)}). 다른 체크포인트나 표지가 같은 말뭉치를 고르세요."
                )
            labels = known
        if place := config.tokenizer or pretrained:
            tokenizer = load_tokenizer(place, "model.tokenizer" if config.tokenizer else "model.pretrained")
        else:
            texts = (turn.text for dialogue in split.train for turn in dialogue.turns)
            tokenizer = train_tokenizer(texts, config.vocab_size or 0)
        return ClassificationEncoder(tokenizer, labels=labels, max_length=data.max_length)

    @classmethod
    def create(
        cls, config: EmotionRobertaConfig, encoder: ClassificationEncoder, facts: dict[str, Any]
    ) -> "EmotionRoberta":
        """Load or initialise the network.

        Raises:
            UserError: the checkpoint cannot be read, or does not fit the tokenizer or `data.max_length`.
        """
        names = label_names(encoder.labels)
        ids = encoder.special_ids()
        if config.from_scratch:
            values = {"model_type": "roberta", **config.network}
            network = random_network(encoder.network, values, {**names, **ids})
        else:
            network = load_network(config.pretrained or "", "model.pretrained", encoder.network, head=names)
            check_vocabulary(network, ids["vocab_size"], "model.tokenizer")
        if encoder.max_length > (limit := longest_input(network)):
            raise UserError(
                f"data.max_length={encoder.max_length}: 이 모델은 {limit} 토큰까지만 읽습니다. data.max_length를 줄여 주세요."
            )
        if config.token_dropout and "mask_token" not in encoder.special.roles:
            raise UserError(
                f"model.token_dropout={config.token_dropout}: 토크나이저에 가림 토큰이 없습니다. 0으로 두세요."
            )
        return cls(network, encoder, config, facts)

    def on_fit_start(self) -> None:
        if self.config.class_weights == "balanced":
            labels = self.trainer.datamodule.examples["train"].column("label")  # type: ignore[attr-defined]
            counts = np.bincount(labels, minlength=len(self.encoder.labels))
            weights = len(labels) / (len(counts) * np.maximum(counts, 1))
            self.class_weights = torch.tensor(weights, dtype=torch.float32, device=self.device)

    def forward(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        """What a batch holds as `inputs` → (batch, labels) logits in float32."""
        if self.training and self.config.token_dropout:
            ids = inputs["input_ids"]
            special = torch.tensor(list(self.encoder.special.ids.values()), device=ids.device)
            dropped = (torch.rand(ids.shape, device=ids.device) < self.config.token_dropout) & ~torch.isin(ids, special)
            inputs = {**inputs, "input_ids": ids.masked_fill(dropped, self.encoder.special["mask_token"])}
        return super().forward(inputs)
