"""One side in a process of its own: `python -m benchmarks.side NAME` reads its spec (JSON) and prints its figures.

The figures are the last line of the standard output; `peak_mb` is the process's largest resident set.
"""

import contextlib
import importlib
import json
import os
import resource
import sys
from typing import Any

from benchmarks.workload import Skipped

# side → module and function
SIDES = {
    "prepare": "benchmarks.prepare:prepare",
    "peak": "benchmarks.machine:matrix_peak",
    "training.ours": "benchmarks.training.ours:run",
    "training.original": "benchmarks.training.original:run",
    "training.trl": "benchmarks.training.sft:run",
    "training.trl_packed": "benchmarks.training.sft:packed",
    "training.transformers": "benchmarks.training.hf_trainer:run",
    "replies.ours": "benchmarks.replies.ours:run",
    "replies.first_token": "benchmarks.replies.ours:first_token",
    "replies.conversation": "benchmarks.replies.ours:conversation",
    "replies.original": "benchmarks.replies.original:run",
    "replies.transformers": "benchmarks.replies.generate:run",
    "replies.ctranslate2": "benchmarks.replies.raw_ctranslate2:run",
    "data.corpus": "benchmarks.corpus.encode:run",
    "data.warm_start": "benchmarks.corpus.warm_start:run",
    "data.million": "benchmarks.corpus.million:run",
    "turns": "benchmarks.turns:run",
    "scaling": "benchmarks.scaling:run",
}
PEERS = (
    "training.original",
    "training.trl",
    "training.trl_packed",
    "training.transformers",
    "replies.original",
    "replies.transformers",
)


def call(name: str, spec: dict[str, Any]) -> dict[str, Any]:
    """Run a side in this process; a package that is missing makes it `{"skipped": reason}`."""
    module, function = SIDES[name].split(":")
    try:
        result: dict[str, Any] = getattr(importlib.import_module(module), function)(spec)
    except Skipped as error:
        return {"skipped": str(error)}
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] in ("yuhee", "benchmarks"):
            raise
        return {"skipped": f'{error.name} is not installed (pip install "yuhee[bench]")'}
    return {**result, "peak_mb": peak_mb()}


def peak_mb() -> float:
    """Largest resident set of this process so far, in MB (10⁶ bytes)."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def main() -> None:
    if sys.argv[1] in PEERS:
        # yuhee keeps few of oneDNN's prepared kernels (yuhee/__init__.py); peers run with the library's own default
        os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"] = "1024"
    spec = json.load(sys.stdin)
    with contextlib.redirect_stdout(sys.stderr):
        result = call(sys.argv[1], spec)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
