"""How likely a network finds what a batch's labels say, whatever its architecture."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor
from transformers import PreTrainedModel

from yuhee.models.losses import next_token_nll


def reply_nll(network: PreTrainedModel, batch: Mapping[str, Any]) -> Tensor:
    """Negative log-likelihood of a batch's labelled tokens.

    Args:
        batch: of a `ReplyEncoder`, on the network's device.

    Returns:
        (n,) nats in float32, row by row, left to right.
    """
    names = ("attention_mask", "decoder_input_ids", "position_ids")
    more = {name: batch[name] for name in names if name in batch}
    states = network.base_model(batch["input_ids"], use_cache=False, **more).last_hidden_state
    return next_token_nll(states, batch["labels"], projection(network))


def projection(network: PreTrainedModel) -> Callable[[Tensor], Tensor]:
    """(…, width) states → (…, vocabulary) logits, BART's bias included."""
    matrix, bias = network.get_output_embeddings(), getattr(network, "final_logits_bias", None)
    return matrix if bias is None else lambda states: matrix(states) + bias[0]
