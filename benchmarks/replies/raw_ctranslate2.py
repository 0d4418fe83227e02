"""CTranslate2 by itself: int8, greedy, no decoding rules of ours."""

import os
import statistics
import time
from pathlib import Path
from typing import Any

import ctranslate2

from benchmarks.replies.prompts import prompts


def run(spec: dict[str, Any]) -> dict[str, Any]:
    """Tokens per second of whole replies."""
    threads = int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1)
    model = ctranslate2.Generator(str(Path(spec["work"]) / "ctranslate2"), compute_type="int8", intra_threads=threads)
    tokenizer, examples = prompts(spec["work"], spec["replies"] + 1)
    n, seconds = spec["new_tokens"], []
    for ids in examples:
        tokens = [[tokenizer.id_to_token(token) for token in ids]]
        start = time.perf_counter()
        result = model.generate_batch(tokens, max_length=n, min_length=n, include_prompt_in_result=False)
        seconds.append(time.perf_counter() - start)
        if len(result[0].sequences_ids[0]) != n:
            raise RuntimeError(f"a reply ended after {len(result[0].sequences_ids[0])} tokens")
    return {"tokens_per_second": n / statistics.median(seconds[1:])}
