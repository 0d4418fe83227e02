"""`transformers` generate, greedy, with its own key-value cache."""

import statistics
import time
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM

from benchmarks.replies.prompts import prompts


def run(spec: dict[str, Any]) -> dict[str, Any]:
    """Tokens per second of whole replies, in the dtype that the spec names."""
    dtype = getattr(torch, spec["dtype"])
    network = AutoModelForCausalLM.from_pretrained(Path(spec["work"]) / "bundle", dtype=dtype).eval()
    tokenizer, examples = prompts(spec["work"], spec["replies"] + 1)
    n, seconds = spec["new_tokens"], []
    options = {"max_new_tokens": n, "min_new_tokens": n, "do_sample": False, "repetition_penalty": 1.0}
    for ids in examples:
        prompt = torch.tensor([ids])
        start = time.perf_counter()
        output = network.generate(
            prompt,
            attention_mask=torch.ones_like(prompt),
            pad_token_id=tokenizer.token_to_id("<pad>"),
            temperature=None,
            top_p=None,
            **options,
        )
        seconds.append(time.perf_counter() - start)
        if output.shape[1] != len(ids) + n:
            raise RuntimeError(f"a reply ended after {output.shape[1] - len(ids)} tokens")
    return {"tokens_per_second": n / statistics.median(seconds[1:])}
