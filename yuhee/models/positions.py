"""How long an input a network takes."""

from torch import nn
from transformers import PreTrainedModel


def longest_input(network: PreTrainedModel) -> int:
    """Tokens that a network reads at a time.

    RoBERTa's positions begin behind its padding id, so that it takes fewer than `max_position_embeddings`.
    """
    limit = int(network.config.max_position_embeddings)
    for name, module in network.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding) and module.padding_idx is not None:
            return limit - module.padding_idx - 1
    return limit
