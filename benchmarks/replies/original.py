"""The original reply loop, written fresh from its description: no cache, greedy, float32."""

import statistics
import time
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, PreTrainedModel

from benchmarks import workload


@torch.no_grad()
def reply(network: PreTrainedModel, tokenizer: Tokenizer, question: str, limit: int) -> tuple[str, int]:
    """Answer a message.

    The original had no limit and could run for ever; here the loop ends after `limit` tokens. It writes `0` into the
    emotion slot, which its training left empty.

    Returns:
        the reply, and the number of tokens it was generated in.
    """
    answer = ""
    for count in range(limit):
        # its own text is tokenized again at each step, with the markers active
        prompt = f"<usr>{question}<unused1>0<sys>{answer}"
        ids = torch.tensor([tokenizer.encode(prompt, add_special_tokens=False).ids])
        token = tokenizer.id_to_token(int(network(ids, use_cache=False).logits.argmax(-1)[0, -1]))
        if token == "</s>":
            return answer, count
        answer += token.replace("▁", " ")
    return answer.strip(), limit


def run(spec: dict[str, Any]) -> dict[str, Any]:
    """Tokens per second of whole replies."""
    bundle = Path(spec["work"]) / "bundle"
    network = AutoModelForCausalLM.from_pretrained(bundle, dtype=torch.float32).eval()
    tokenizer = Tokenizer.from_file(str(bundle / "tokenizer.json"))
    rates = []
    for turns in workload.read(spec["work"], "dialogues")[: spec["replies"] + 1]:
        start = time.perf_counter()
        _, tokens = reply(network, tokenizer, turns[0][1], spec["new_tokens"])
        rates.append(tokens / (time.perf_counter() - start))
    return {"tokens_per_second": statistics.median(rates[1:])}
