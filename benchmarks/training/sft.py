"""TRL's `SFTTrainer` in the two configurations that could be its fastest for the same objective.

Both: bf16, loss on the replies only, no gradient checkpointing (TRL's default computes every forward twice); TRL projects
onto the vocabulary in chunks of its own.
"""

import tempfile
from typing import Any

from trl import SFTConfig, SFTTrainer

from benchmarks import workload
from benchmarks.training import peers


def run(spec: dict[str, Any]) -> dict[str, Any]:
    """Batches grouped by length."""
    return _train(spec, {"max_length": 1024})


def packed(spec: dict[str, Any]) -> dict[str, Any]:
    """Rows of as many tokens as a batch has on average, filled to the brim; no example attends to another.

    Without a flash-attention kernel TRL warns of cross-talk, but `transformers` makes a block-diagonal mask from the
    position ids that TRL passes.
    """
    values = workload.read(spec["work"])
    length = round(values["batch_size"] * values["tokens_per_example"])
    options = {"packing": True, "max_length": length, "per_device_train_batch_size": 1}
    return _train(spec, {**options, "train_sampling_strategy": "random"})


def _train(spec: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    network, tokenizer, examples = peers.load(spec["work"], spec["seed"])
    with tempfile.TemporaryDirectory() as output:
        config = SFTConfig(**{**peers.arguments(spec, output), **options})
        trainer = SFTTrainer(network, config, train_dataset=examples, processing_class=tokenizer)
        return peers.timed(trainer, spec)
