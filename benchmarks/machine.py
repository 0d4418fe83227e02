"""The machine that was measured, without a word about whose it is, and what its matrix products reach."""

import os
import platform
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("torch", "pytorch-lightning", "transformers", "tokenizers", "trl", "accelerate", "ctranslate2", "numpy")
FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "amx_bf16", "amx_int8", "asimd", "bf16", "sve")


def describe() -> dict[str, Any]:
    """CPU, memory, library versions and threads; no host name, user or path."""
    cpu = _cpu_info()
    return {
        "cpu": cpu.get("model name") or platform.processor() or platform.machine(),
        "flags": [flag for flag in FLAGS if flag in cpu.get("flags", cpu.get("Features", "")).split()],
        "cores": os.cpu_count(),
        "memory_gb": _memory_gb(),
        "system": f"{platform.system()} {platform.machine()}",
        "threads": os.environ.get("OMP_NUM_THREADS") or "default",
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
    }


def matrix_peak(spec: dict[str, Any]) -> dict[str, Any]:
    """The best rate of a square matrix product in float32 and bfloat16, in GFLOP/s, and torch's threads."""
    import torch

    n, figures = spec["matrix"], {}
    for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        left, right = torch.randn(n, n).to(dtype), torch.randn(n, n).to(dtype)
        rates = []
        for _ in range(6):
            start = time.perf_counter()
            torch.mm(left, right)
            rates.append(2 * n**3 / (time.perf_counter() - start) / 1e9)
        figures[f"{name}_gflops"] = max(rates)
    return {**figures, "threads": torch.get_num_threads()}


def _cpu_info() -> dict[str, str]:
    """Of the first core, where the system tells."""
    file = Path("/proc/cpuinfo")
    if not file.is_file():
        return {}
    pairs = (line.split(":", 1) for line in file.read_text().split("\n\n")[0].splitlines() if ":" in line)
    return {key.strip(): value.strip() for key, value in pairs}


def _memory_gb() -> float | None:
    if sys.platform == "win32":
        return None
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
