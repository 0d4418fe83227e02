"""A vocabulary's matrix that is both looked up and projected onto."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedModel


def embed_and_project(network: PreTrainedModel, ids: Tensor) -> tuple[Tensor, Tensor]:
    """Embedded ids, and the matrix to project states onto the vocabulary with.

    Args:
        ids: (batch, length).

    Returns:
        (batch, length, width) in the parameters' dtype, and (vocabulary, width) in the dtype to compute in, which is
        autocast's where that is on.
    """
    embedding, projection = network.get_input_embeddings(), network.get_output_embeddings()
    matrix = projection_matrix(network, ids.device.type)
    # subclasses of an embedding scale what they look up
    if projection.weight is embedding.weight and type(embedding) is nn.Embedding:
        both: tuple[Tensor, Tensor] = _Tied.apply(embedding.weight, matrix.detach(), ids)  # type: ignore[no-untyped-call]
        return both
    return embedding(ids), matrix


def projection_matrix(network: PreTrainedModel, device: str) -> Tensor:
    """(vocabulary, width) to project states with, in the dtype to compute in on that type of device."""
    matrix: Tensor = network.get_output_embeddings().weight
    return matrix.to(torch.get_autocast_dtype(device)) if torch.is_autocast_enabled(device) else matrix


class _Tied(torch.autograd.Function):
    """The two gradients of a tied matrix share one buffer: a lookup's own would be dense, and nearly all zeros."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, matrix: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(ids)
        return F.embedding(ids, weight), matrix.view_as(matrix)

    @staticmethod
    def backward(ctx: Any, looked_up: Tensor, projected: Tensor) -> tuple[Tensor, None, None]:
        [ids] = ctx.saved_tensors
        gradient = projected.to(looked_up.dtype)
        return gradient.index_add_(0, ids.flatten(), looked_up.flatten(0, 1)), None, None
