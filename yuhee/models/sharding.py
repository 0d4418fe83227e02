"""Weights, gradients and optimizer states shared out among processes (FSDP2)."""

from collections.abc import Mapping
from typing import Any

from torch import nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, set_model_state_dict
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method
from transformers import PreTrainedModel

_STEPS = ("training_step", "validation_step", "test_step")


def shard(module: nn.Module, network: PreTrainedModel, mesh: DeviceMesh) -> None:
    """Split the parameters of a LightningModule over the processes of `mesh`: each block of its network, then the rest.

    A block's weights come together while it computes. What the blocks leave over (embedding, last norm, projection)
    stays one group, so that tied matrices stay tied, and is whole while a step of the module runs.
    """
    if isinstance(module, FSDPModule):  # Lightning asks again before each test
        return
    for block in list(network.modules()):
        if type(block).__name__ in (network._no_split_modules or ()):
            fully_shard(block, mesh=mesh)
    fully_shard(module, mesh=mesh)
    for step in _STEPS:
        register_fsdp_forward_method(module, step)


def load_weights(module: nn.Module, weights: Mapping[str, Any]) -> None:
    """Load whole weights, which every process holds, into a module, sharded or not."""
    if isinstance(module, FSDPModule):
        set_model_state_dict(module, dict(weights), options=StateDictOptions(full_state_dict=True))
    else:
        module.load_state_dict(weights)
