"""Weights in four bits (NF4; Dettmers et al. 2023, "QLoRA"), beside which adapters learn."""

from importlib.util import find_spec

import torch
from torch import nn
from transformers import BitsAndBytesConfig

from yuhee.errors import UserError


def four_bits() -> BitsAndBytesConfig:
    """How `transformers` is to round a network's matrices while it loads them.

    Raises:
        UserError: bitsandbytes is not installed.
    """
    if find_spec("bitsandbytes") is None:
        raise UserError(
            'model.load_in_4bit=true: bitsandbytes가 없습니다. pip install "yuhee[4bit]" 로 설치하거나 '
            "model.load_in_4bit=false로 두세요."
        )
    return BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.bfloat16)


def round_alike(network: nn.Module) -> None:
    """Let validation compute with the very weights that training does, in place.

    Outside training, bitsandbytes would pack its matrices for processors with AVX512-BF16: it rounds their scales once
    more, and refuses matrices whose sides are not multiples of a block. Networks without such matrices stay as they are.
    """
    for layer in network.modules():
        if hasattr(layer, "support_avx512bf16_for_cpu"):
            layer.support_avx512bf16_for_cpu = False  # type: ignore[assignment]
