"""A linear network over weighted bags, as `transformers` keeps networks; importing this module makes them known there."""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForSequenceClassification, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput


class CharacterLinearConfig(PretrainedConfig):  # type: ignore[misc]
    """Shape of the network.

    Attributes:
        vocab_size: features.
        max_position_embeddings: a bag has no positions, so there is no limit.
    """

    model_type = "yuhee_character_linear"
    vocab_size: int = 1
    max_position_embeddings: int = 2**31 - 1


class CharacterLinear(PreTrainedModel):  # type: ignore[misc]
    """Logits = Σ weight × row of the feature + bias."""

    config_class = CharacterLinearConfig

    def __init__(self, config: CharacterLinearConfig) -> None:
        super().__init__(config)
        self.bag = nn.EmbeddingBag(config.vocab_size, config.num_labels, mode="sum")
        self.bias = nn.Parameter(torch.zeros(config.num_labels))
        self.post_init()

    def get_input_embeddings(self) -> nn.EmbeddingBag:
        return self.bag

    def forward(self, input_ids: Tensor, weights: Tensor, **unused: Any) -> SequenceClassifierOutput:
        """(batch, length) features and their weights, 0 for padding → logits (batch, labels)."""
        return SequenceClassifierOutput(logits=self.bag(input_ids, per_sample_weights=weights) + self.bias)


AutoConfig.register(CharacterLinearConfig.model_type, CharacterLinearConfig)
AutoModelForSequenceClassification.register(CharacterLinearConfig, CharacterLinear)
