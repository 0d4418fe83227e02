"""AdamW, its schedule, and the step's one pass over the gradients."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.optim import AdamW
from torch.optim.lr_scheduler import LRScheduler
from transformers import get_constant_schedule_with_warmup, get_cosine_schedule_with_warmup


def adamw(module: nn.Module, lr: float, weight_decay: float) -> AdamW:
    """AdamW, fused where the device has it; biases and layer norms (vectors) do not decay."""
    parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    fused = all(parameter.device.type in ("cpu", "cuda", "mps") for parameter in parameters)
    return AdamW(groups, lr=lr, fused=fused)


def learning_rates(optimizer: AdamW, schedule: str, warmup_steps: int, total_steps: int) -> LRScheduler:
    """Linear warm-up, then a half cosine to zero (`cosine`) or the peak rate (`constant`); in optimizer steps."""
    if schedule == "constant":
        rates: LRScheduler = get_constant_schedule_with_warmup(optimizer, warmup_steps)
    else:
        rates = get_cosine_schedule_with_warmup(optimizer, warmup_steps, total_steps)
    return rates


@torch.no_grad()
def scale_and_clip(parameters: Iterable[nn.Parameter], scale: float, max_norm: float | None) -> Tensor:
    """Multiply all gradients by `scale` and clip their global norm, in one pass over them.

    Returns:
        () norm of the scaled gradients before clipping, over all processes where they are sharded.
    """
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if not gradients:  # of a module that learns otherwise
        return torch.zeros(())
    norm = torch.nn.utils.get_total_norm(gradients) * scale
    if isinstance(norm, DTensor):  # sharded: the norm is that of all shards, each process scales its own
        norm = norm.full_tensor()
        gradients = [gradient.to_local() for gradient in gradients if isinstance(gradient, DTensor)]
    factor = norm.new_tensor(scale)
    if max_norm:
        factor = factor * (max_norm / (norm + 1e-6)).clamp(max=1.0)
    torch._foreach_mul_(gradients, factor)
    return norm
