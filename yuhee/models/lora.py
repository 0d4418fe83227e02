"""Low-rank adapters (Hu et al. 2021, "LoRA") in a network, and their sum with its weights."""

import importlib.util
from collections.abc import Mapping
from typing import Any

from transformers import PreTrainedModel

from yuhee.errors import UserError


def add_lora(network: PreTrainedModel, settings: Mapping[str, Any]) -> None:
    """Freeze a network's weights and put adapters beside them, in place.

    Args:
        settings: `r`, `alpha`, `dropout` and `target`, see `LoraSection`.

    Raises:
        UserError: `peft` is missing, or the network has no such layers.
    """
    if importlib.util.find_spec("peft") is None:
        raise UserError(
            'model.lora: peft가 없습니다. pip install "yuhee[lora]" 로 설치하거나 model.lora.r=0으로 두세요.'
        )
    from peft import LoraConfig, inject_adapter_in_model  # seconds to import, for who asks for it

    values = {"r": settings["r"], "lora_alpha": settings["alpha"], "lora_dropout": settings["dropout"]}
    try:
        inject_adapter_in_model(LoraConfig(target_modules=settings["target"], **values), network)
    except ValueError as error:
        reason = str(error).strip().split("\n")[0][:160]
        raise UserError(f"model.lora.target={settings['target']}: 이 모델에는 맞지 않습니다({reason}).") from None


def merge_lora(network: PreTrainedModel) -> None:
    """Add the adapters to the weights that they stand beside, and leave a plain network, in place."""
    from peft.tuners.lora import LoraLayer

    for parent in list(network.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, LoraLayer):
                layer.merge(safe_merge=True)
                setattr(parent, name, layer.get_base_layer())
    network.requires_grad_(True)
    del network.peft_config
