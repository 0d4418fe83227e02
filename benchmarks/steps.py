"""Steps of this project's module under Lightning, one by one."""

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from benchmarks import workload
from benchmarks.prepare import FACTS
from yuhee.data.datamodule import DialogueDataModule
from yuhee.data.dialogue import Dialogue
from yuhee.data.splits import Split, split
from yuhee.models.causal_lm import CausalLM
from yuhee.training import TrainConfig, compose_config, parse_config
from yuhee.training.memory import keep_freed_memory
from yuhee.training.trainer import make_trainer


class StopFit(Exception):
    """The last step is done."""


class Clock(pl.Callback):
    """When each optimizer step was done, and what was in it; the time to fetch the batch counts.

    Attributes:
        marks: moment of each step's end, in seconds.
        tokens: of each step, padding left out.
        learned: tokens of each step that have a reply's label.

    Args:
        warmup: optimizer steps left out at the beginning.
        stop_after: raise `StopFit` after so many steps.
    """

    def __init__(self, warmup: int, stop_after: int | None = None) -> None:
        self.warmup = warmup
        self.stop_after = stop_after
        self.marks: list[float] = []
        self.tokens: list[int] = []
        self.learned: list[int] = []

    @property
    def seconds(self) -> list[float]:
        """Of each step after the warm-up."""
        return workload.step_seconds(self.marks, self.warmup)

    def figures(self, tokens_per_example: float) -> dict[str, float]:
        """Rates over the timed steps."""
        return workload.rates(self.seconds, self.tokens[self.warmup :], tokens_per_example)

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.marks.append(time.perf_counter())
        self.tokens.append(batch["tokens"])
        self.learned.append(int((batch["labels"] >= 0).sum()))
        if len(self.marks) == self.stop_after:
            raise StopFit


@dataclass(frozen=True)
class Subject:
    """What `python train.py` would train, with random weights, and under which configuration."""

    config: TrainConfig
    module: CausalLM


def subject(overrides: Sequence[str], seed: int) -> Subject:
    """Build it.

    Args:
        overrides: what one would type.
    """
    own = ["trainer.max_epochs=1", "trainer.limit_val_batches=0", f"seed={seed}"]
    config = parse_config(compose_config([*overrides, *own]))
    parts = split(config.data.read().dialogues, **dict(config.data.split))
    pl.seed_everything(seed, verbose=False)
    keep_freed_memory()  # as a run does
    encoder = config.family.make_encoder(config.model, config.data, parts)
    return Subject(config, config.family.create(config.model, encoder, FACTS))


def fit(subject: Subject, dialogues: Sequence[Dialogue], batch_size: int, warmup: int) -> Clock:
    """One pass over dialogues with the data module, the module and the very Trainer of a run."""
    clock = Clock(warmup)
    with tempfile.TemporaryDirectory() as folder:
        data = DialogueDataModule(
            Split(list(dialogues), [dialogues[0]], [dialogues[0]]),
            subject.module.encoder,
            cache=Path(folder),
            cache_key="benchmark",
            batch_size=batch_size,
        )
        make_trainer(subject.config, Path(folder), [], [clock]).fit(subject.module, data)
    return clock
