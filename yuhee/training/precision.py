"""Which precision a run computes in."""

import torch


def resolve_precision(precision: str, accelerator: str) -> str:
    """`auto` becomes bf16-mixed where the hardware computes in bf16, else 32-true; others stay."""
    if precision != "auto":
        return precision
    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        has_bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
    elif accelerator in ("auto", "cpu") and not torch.backends.mps.is_available():
        has_bf16 = bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    else:
        has_bf16 = False
    return "bf16-mixed" if has_bf16 else "32-true"
