"""What is seen of a training while it runs: figures of steps, throughput, a line now and then."""

import logging
import time
from typing import Any

import pytorch_lightning as pl

from yuhee.data.encoding.reply_example import Batch

log = logging.getLogger(__name__)


class StepFigures(pl.Callback):
    """Logs a step's figures every `log_every_n_steps` optimizer steps and measures the throughput.

    Args:
        warmup_steps: optimizer steps left out of the throughput; validation and the wait for it never count.
    """

    def __init__(self, warmup_steps: int = 5) -> None:
        self.warmup_steps = warmup_steps
        self._steps = 0
        self._mark: float | None = None
        self._seconds = self._examples = self._tokens = 0.0

    @property
    def figures(self) -> dict[str, float]:
        """Examples and tokens (padding left out) per second over all ranks, in steady state."""
        if not self._seconds:
            return {}
        return {
            "train/examples_per_second": self._examples / self._seconds,
            "train/tokens_per_second": self._tokens / self._seconds,
        }

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._mark = time.perf_counter()

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._mark = None

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Batch, batch_idx: int
    ) -> None:
        if self._mark is None:
            self._mark = time.perf_counter()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        now, before, self._mark = time.perf_counter(), self._mark, time.perf_counter()
        steady = self._steps >= min(self.warmup_steps, int(trainer.estimated_stepping_batches) - 1)
        if before is not None and steady:
            self._seconds += now - before
            self._examples += len(batch["ids"]) * trainer.world_size
            self._tokens += batch["tokens"] * trainer.world_size
        if (batch_idx + 1) % trainer.accumulate_grad_batches and not trainer.is_last_batch:
            return
        self._steps += 1
        if trainer.global_step % trainer.log_every_n_steps == 0:  # type: ignore[attr-defined]
            figures = {"epoch": trainer.current_epoch, **pl_module.step_figures, **self.figures}  # type: ignore[dict-item]
            for logger in trainer.loggers:
                logger.log_metrics(figures, trainer.global_step)


class LineProgress(pl.Callback):
    """Where there is no terminal for a progress bar: a line every few seconds.

    Args:
        figure: to show beside the objective.
        every: seconds between two lines.
    """

    def __init__(self, figure: str = "val/bpc", every: float = 10.0) -> None:
        self.figure = figure
        self.every = every
        self._start = self._last = 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._start = self._last = time.monotonic()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        now = time.monotonic()
        if now - self._last < self.every:
            return
        self._last = now
        shown = {**pl_module.step_figures, **trainer.callback_metrics}  # type: ignore[dict-item]
        figures = "  ".join(
            f"{name} {float(shown[name]):.3f}"
            for name in dict.fromkeys(("train/objective", self.figure))
            if name in shown
        )
        log.info(
            "에폭 %d  스텝 %d/%d  %s  (%.0f초)",
            trainer.current_epoch,
            trainer.global_step,
            trainer.estimated_stepping_batches,
            figures,
            now - self._start,
        )
