"""TRL's `SFTTrainer` in the fastest configuration that trains the same objective (docs/benchmarks.md has the others)."""

import tempfile
from typing import Any

from trl import SFTConfig, SFTTrainer

from benchmarks.training import peers


def run(spec: dict[str, Any]) -> dict[str, Any]:
    """bf16, grouped by length, loss on the replies only; TRL projects onto the vocabulary in chunks of its own.

    `spec["variant"]` overrides arguments of `SFTConfig`, to try other configurations.
    """
    network, tokenizer, examples = peers.load(spec["work"], spec["seed"])
    with tempfile.TemporaryDirectory() as output:
        values = {**peers.arguments(spec, output), "max_length": 1024, **spec.get("variant", {})}
        trainer = SFTTrainer(network, SFTConfig(**values), train_dataset=examples, processing_class=tokenizer)
        return peers.timed(trainer, spec)
