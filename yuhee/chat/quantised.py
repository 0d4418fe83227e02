"""Networks whose matrices are stored as 8-bit integers: a reply on a CPU is as fast as its weights can be read."""

import copy

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

_WIDTH = 16  # the kernel reads rows in pieces of so many values, and beyond the end of others


def int8_is_possible(network: PreTrainedModel) -> bool:
    """Whether PyTorch has the kernel, and the network is where it runs."""
    return hasattr(torch, "_weight_int8pack_mm") and network.device.type == "cpu"


def int8_weights(network: PreTrainedModel) -> PreTrainedModel:
    """A twin of a network with int8 matrices, one scale a row; embeddings and norms are shared with the original.

    Activations stay floating-point numbers. Quantising them as well (`torch.ops.quantized.linear_dynamic`) would be
    another quarter faster and lose ten times as much (docs/speed_of_replies.md).
    """
    twin = copy.deepcopy(network, {id(tensor): tensor for tensor in (*network.parameters(), *network.buffers())})
    for parent in list(twin.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, (nn.Linear, Conv1D)):
                weight = layer.weight if isinstance(layer, nn.Linear) else layer.weight.T
                if weight.shape[1] % _WIDTH == 0:
                    setattr(parent, name, Int8Linear(weight.detach(), layer.bias))
    return twin


class Int8Linear(nn.Module):
    """A linear layer with int8 weights, computing in bfloat16.

    Args:
        weight: (out, in) in float32; `in` must be a multiple of 16.
        bias: (out,) or None.
    """

    weight: Tensor
    scale: Tensor

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        # rounded to bfloat16 before it is used, so that its own rounding costs nothing
        scale = (weight.abs().amax(1) / 127).clamp(min=1e-8).bfloat16()
        self.register_buffer("weight", (weight / scale[:, None]).round_().clamp_(-127, 127).to(torch.int8).contiguous())
        self.register_buffer("scale", scale)
        self.bias = bias

    def forward(self, states: Tensor) -> Tensor:
        """(…, in) → (…, out), in the input's type."""
        rows = states.reshape(-1, states.shape[-1]).bfloat16()
        product: Tensor = torch._weight_int8pack_mm(rows, self.weight, self.scale)
        product = product.to(states.dtype).view(*states.shape[:-1], -1)
        return product if self.bias is None else product + self.bias
