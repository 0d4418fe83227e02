"""How likely a network finds what a batch's labels say, whatever its architecture."""

from collections.abc import Callable, Mapping
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedModel

from yuhee.models.losses import IGNORE, next_token_nll

_plain: "WeakKeyDictionary[nn.Module, bool]" = WeakKeyDictionary()


def reply_nll(network: PreTrainedModel, batch: Mapping[str, Any]) -> Tensor:
    """Negative log-likelihood of a batch's labelled tokens.

    Args:
        batch: of a `ReplyEncoder`, on the network's device.

    Returns:
        (n,) nats in float32, row by row, left to right.
    """
    if not projects_plainly(network):
        packed = {"position_ids": batch["position_ids"]} if "position_ids" in batch else {}
        return nll_of_logits(network, batch["input_ids"], batch["labels"], **packed)
    names = ("attention_mask", "decoder_input_ids", "position_ids")
    more = {name: batch[name] for name in names if name in batch}
    states = network.base_model(batch["input_ids"], use_cache=False, **more).last_hidden_state
    return next_token_nll(states, batch["labels"], projection(network))


def projection(network: PreTrainedModel) -> Callable[[Tensor], Tensor]:
    """(…, width) states → (…, vocabulary) logits, BART's bias included."""
    matrix, bias = network.get_output_embeddings(), getattr(network, "final_logits_bias", None)
    return matrix if bias is None else lambda states: matrix(states) + bias[0]


def nll_of_logits(network: PreTrainedModel, input_ids: Tensor, labels: Tensor, **packed: Tensor) -> Tensor:
    """The same from a causal network's own logits, made only at places where a row of the batch has a label."""
    places = (labels[:, 1:] != IGNORE).any(0).nonzero()[:, 0]
    logits = network(input_ids, use_cache=False, logits_to_keep=places, **packed).logits
    targets = labels[:, 1:][:, places]
    scored = targets != IGNORE
    return F.cross_entropy(logits[scored].float(), targets[scored], reduction="none")


@torch.no_grad()
def projects_plainly(network: PreTrainedModel) -> bool:
    """Whether a causal network's logits are its last states times a matrix: Gemma 2 caps them, Cohere scales them."""
    if network.config.is_encoder_decoder:
        return True
    if network not in _plain:
        training, head = network.training, network.get_output_embeddings()
        ids = torch.tensor([[0, 1]], device=network.device)
        network.eval()
        expected = head(network.base_model(ids, use_cache=False).last_hidden_state) * 1000
        enlarged = head.register_forward_hook(lambda _, __, logits: logits * 1000)  # a cap shows on large values only
        try:
            logits = network(ids, use_cache=False).logits
        finally:
            enlarged.remove()
            network.train(training)
        _plain[network] = bool((logits - expected).abs().max() <= 0.01 * expected.abs().max())
    return _plain[network]
