"""Checkpoints that survive a kill at any moment, and from which training goes on exactly."""

import contextlib
import logging
import math
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO

from yuhee.errors import UserError

log = logging.getLogger(__name__)

MOMENT = 1.0  # seconds within which signals are one wish
LAST, PREVIOUS, BEST = "last.ckpt", "previous.ckpt", "best.ckpt"
_STOPPED = "멈췄습니다. 여기까지 저장했으니 같은 명령에 ckpt_path=last 를 붙이면 이어 갑니다."


class Interrupted(UserError):
    """Training was stopped by the user (Ctrl-C or SIGTERM) after saving."""


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint beside its target and renames it onto it; an older `last` becomes `previous`."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        """Save.

        Raises:
            UserError: the disk is full or read-only; what was saved before is untouched.
        """
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f".{target.name}.partial")
        try:
            with partial.open("wb") as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
            if target.name == LAST and target.exists():
                target.replace(target.with_name(PREVIOUS))
            partial.replace(target)
        except (OSError, RuntimeError) as error:  # torch's zip writer turns a full disk into a RuntimeError
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)
            reason = getattr(error, "strerror", None) or str(error).split("\n")[0]
            raise UserError(
                f"{target}: 체크포인트를 저장하지 못했습니다({reason}). 앞서 저장한 것은 그대로입니다. "
                "디스크 공간을 비우고 ckpt_path=last 로 이어 가세요."
            ) from None


def readable_checkpoint(folder: Path) -> Path:
    """`last.ckpt` of a run, or `previous.ckpt` with a warning where `last` is damaged.

    Raises:
        UserError: neither can be read.
    """
    for name in (LAST, PREVIOUS):
        path = folder / "checkpoints" / name
        if not path.is_file():
            continue
        try:
            torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        except Exception:  # a torn file fails in many ways
            log.warning("%s: 체크포인트가 손상되어 그 앞의 것을 씁니다.", path)
            continue
        return path
    raise UserError(f"{folder}: 이어 갈 수 있는 체크포인트가 없습니다. ckpt_path 없이 새로 시작해 주세요.")


class Checkpoints(pl.Callback):
    """Saves `last` every so many optimizer steps and `best` by a figure; stops cleanly on a signal.

    `last` is saved before a batch begins, never inside one: there all of Lightning's counters agree, no gradient
    is half accumulated, and the random state is the one the next batch will use.

    Args:
        folder: where the files go.
        every_n_steps: optimizer steps between two saves of `last`.
        monitor: the figure that `best` has lowest, looked at after each validation. A figure of training is the mean
            over the epoch so far.
        start: of the run, by `time.monotonic()`.
    """

    def __init__(self, folder: Path, every_n_steps: int, monitor: str, start: float) -> None:
        self.folder = folder
        self.every_n_steps = every_n_steps
        self.monitor = monitor
        self.best = math.inf
        self.figures: dict[str, float] = {}  # of the validation that made `best`
        self.validated_step = -1
        self.interrupted = False
        self._start = start
        self._saved_step = 0
        self._random_state: list[dict[str, Any]] | None = None

    def state_dict(self) -> dict[str, Any]:
        kept = {"best": self.best, "figures": self.figures, "validated_step": self.validated_step}
        return {**kept, "seconds": self.seconds}

    @property
    def seconds(self) -> float:
        """Since the run began, without the time between its sessions and what a killed one did after its checkpoint."""
        return time.monotonic() - self._start

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best = state_dict["best"]
        self.figures = state_dict["figures"]
        self.validated_step = state_dict["validated_step"]
        self._start -= state_dict.get("seconds", 0.0)

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        checkpoint["random_state"] = _all_ranks(_random_state(), trainer.world_size)
        if trainer.training:
            # Lightning would take a checkpoint from just before the last batch for one of a finished epoch
            checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]["is_last_batch"] = False

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        self._random_state = checkpoint["random_state"]
        self._saved_step = checkpoint["global_step"]

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self._random_state is not None:
            _set_random_state(self._random_state[min(trainer.global_rank, len(self._random_state) - 1)])

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        # Lightning tells plain samplers their epoch, but not a batch sampler. A resumed epoch does not start here.
        batches = trainer.datamodule.train_batches  # type: ignore[attr-defined]
        batches.set_epoch(trainer.current_epoch)

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        if batch_idx % trainer.accumulate_grad_batches:
            return
        due = trainer.global_step % self.every_n_steps == 0 and trainer.global_step != self._saved_step
        interrupted = self._interrupted_anywhere(trainer)
        if due or interrupted:
            self._save_last(trainer)
        if interrupted:
            raise Interrupted(_STOPPED)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.validated_step = trainer.global_step
        figures = {k: float(v) for k, v in trainer.callback_metrics.items() if k.startswith("val/")}
        value = (figures | pl_module.epoch.figures("train")).get(self.monitor, math.nan)  # type: ignore[operator, union-attr]
        if value < self.best:
            self.best, self.figures = value, figures
            trainer.save_checkpoint(self.folder / BEST)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._save_last(trainer)

    def raise_if_interrupted(self, trainer: pl.Trainer) -> None:
        if self._interrupted_anywhere(trainer):
            raise Interrupted(_STOPPED)

    @contextlib.contextmanager
    def signals(self) -> Iterator[None]:
        """While this lasts, the first SIGINT or SIGTERM asks for a clean stop; a later one stops at once.

        What follows within a moment is the same wish: `timeout` and a cluster's scheduler signal a process and its group.
        """
        asked = 0.0

        def ask(number: int, frame: Any) -> None:
            nonlocal asked
            if self.interrupted:
                if time.monotonic() - asked > MOMENT:
                    raise KeyboardInterrupt
                return
            self.interrupted, asked = True, time.monotonic()
            log.warning("지금 배치를 마치고 저장한 뒤 멈춥니다. 한 번 더 누르면 바로 멈춥니다.")

        try:
            before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
        except ValueError:  # not the main thread: a notebook's or a sweep's own business
            before = {}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _interrupted_anywhere(self, trainer: pl.Trainer) -> bool:
        """Whether a signal reached any process: it comes to each at another moment, and they must stop at the same."""
        return bool(trainer.strategy.reduce_boolean_decision(self.interrupted, all=False))

    def _save_last(self, trainer: pl.Trainer) -> None:
        self._saved_step = trainer.global_step
        trainer.save_checkpoint(self.folder / LAST)


def _random_state() -> dict[str, Any]:
    """All random generators as plain values and tensors."""
    kind, keys, position, has_gauss, cached = np.random.get_state(legacy=True)  # noqa: NPY002
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": [str(kind), [int(key) for key in keys], int(position), int(has_gauss), float(cached)],
        "python": random.getstate(),
    }


def _set_random_state(state: dict[str, Any]) -> None:
    torch.set_rng_state(state["torch"])
    if state["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])
    kind, keys, *rest = state["numpy"]
    np.random.set_state((kind, np.array(keys, dtype=np.uint32), *rest))  # noqa: NPY002
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))


def _all_ranks(state: dict[str, Any], world_size: int) -> list[dict[str, Any]]:
    if world_size == 1:
        return [state]
    states: list[Any] = [None] * world_size
    torch.distributed.all_gather_object(states, state)
    return states
