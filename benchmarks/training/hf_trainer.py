"""The `transformers` Trainer: bf16, grouped by length, loss on the replies only."""

import tempfile
from typing import Any

from transformers import DataCollatorForSeq2Seq, Trainer, TrainingArguments

from benchmarks.training import peers


def run(spec: dict[str, Any]) -> dict[str, Any]:
    """Its own loop and loss; the collator pads ids and labels to the longest of the batch."""
    network, tokenizer, examples = peers.load(spec["work"], spec["seed"])
    with tempfile.TemporaryDirectory() as output:
        arguments = TrainingArguments(**peers.arguments(spec, output))
        collator = DataCollatorForSeq2Seq(tokenizer)  # pads ids and labels; nothing else of it is for seq2seq
        trainer = Trainer(network, arguments, data_collator=collator, train_dataset=examples)
        return peers.timed(trainer, spec)
