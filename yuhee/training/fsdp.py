"""The strategy behind `trainer=fsdp`."""

from collections.abc import Mapping
from typing import Any

from pytorch_lightning.strategies import ModelParallelStrategy, ParallelStrategy, StrategyRegistry
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_optimizer_state_dict,
    set_optimizer_state_dict,
)
from torch.optim import Optimizer

from yuhee.errors import UserError
from yuhee.models.sharding import load_weights


class FullyShard(ModelParallelStrategy):
    """Shards over all processes, on GPUs or CPUs (Lightning's `FSDPStrategy` takes GPUs only).

    The module's `configure_model` says how. A checkpoint is one whole file, the same as other strategies write and
    read; Lightning's own would number the optimizer's states by another order than PyTorch does.
    """

    lightning_restore_optimizer = True

    def __init__(self) -> None:
        super().__init__(tensor_parallel_size=1, save_distributed_checkpoint=False)

    def setup_environment(self) -> None:
        if self.precision_plugin.precision == "16-mixed":
            raise UserError(
                "precision=16-mixed: trainer=fsdp에서는 쓸 수 없습니다. precision=bf16-mixed나 32-true로 두세요."
            )
        self._data_parallel_size = self.num_nodes * self.num_processes
        super().setup_environment()

    def load_checkpoint(self, checkpoint_path: Any, weights_only: bool | None = None) -> dict[str, Any]:
        return ParallelStrategy.load_checkpoint(self, checkpoint_path, weights_only)

    def load_model_state_dict(self, checkpoint: Mapping[str, Any], strict: bool = True) -> None:
        load_weights(self._module, checkpoint["state_dict"])

    def optimizer_state(self, optimizer: Optimizer) -> dict[str, Any]:
        """Whole states on the first process, numbered as `optimizer.state_dict()` does; nothing on the others."""
        options = StateDictOptions(full_state_dict=True, cpu_offload=True)
        state = get_optimizer_state_dict(self._module, optimizer, options=options)
        if self.global_rank:
            return {}
        return _renamed(state, {name: number for number, name in enumerate(self._names(optimizer))})

    def load_optimizer_state_dict(self, checkpoint: Mapping[str, Any]) -> None:
        options = StateDictOptions(full_state_dict=True)
        for optimizer, state in zip(self.optimizers, checkpoint["optimizer_states"], strict=True):
            named = _renamed(state, dict(enumerate(self._names(optimizer))))
            set_optimizer_state_dict(self._module, optimizer, named, options=options)

    @property
    def _module(self) -> Any:
        return self.lightning_module  # there from its setup on

    def _names(self, optimizer: Optimizer) -> list[str]:
        names = {parameter: name for name, parameter in self._module.named_parameters()}
        return [names[parameter] for group in optimizer.param_groups for parameter in group["params"]]


def _renamed(state: Mapping[str, Any], names: Mapping[Any, Any]) -> dict[str, Any]:
    """An optimizer's states with other names for its parameters."""
    groups = [{**group, "params": [names[name] for name in group["params"]]} for group in state["param_groups"]]
    return {"state": {names[name]: values for name, values in state["state"].items()}, "param_groups": groups}


StrategyRegistry.register("fully_shard", FullyShard, override=True)
