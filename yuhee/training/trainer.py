"""The Lightning Trainer of a run."""

import logging
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

import pytorch_lightning as pl
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.callbacks import TQDMProgressBar
from pytorch_lightning.loggers import Logger
from transformers.utils import logging as transformers_logging

from yuhee.errors import UserError
from yuhee.training.checkpoints import AtomicCheckpointIO
from yuhee.training.config import TrainConfig
from yuhee.training.precision import resolve_precision
from yuhee.training.progress import LineProgress


def make_trainer(
    config: TrainConfig, folder: Path, loggers: Sequence[Logger], callbacks: Sequence[pl.Callback]
) -> pl.Trainer:
    """The Trainer with our own ways of saving, logging and sampling; the keys of `trainer.*` go before them.

    Raises:
        UserError: Lightning refuses the keys of `trainer.*`.
    """
    on_terminal = sys.stderr.isatty()
    progress: pl.Callback = TQDMProgressBar(refresh_rate=5) if on_terminal else LineProgress(config.optimized_metric)
    ours = {
        "precision": resolve_precision(config.precision, str(config.trainer.get("accelerator", "auto"))),
        "logger": list(loggers),
        "callbacks": [*callbacks, progress],
        "plugins": [AtomicCheckpointIO()],
        "default_root_dir": folder,
        "enable_checkpointing": False,
        "use_distributed_sampler": False,
        "enable_progress_bar": on_terminal,
        "enable_model_summary": False,
        "num_sanity_val_steps": 0,
    }
    try:
        return pl.Trainer(**{**ours, **config.trainer})
    except (MisconfigurationException, ValueError, TypeError) as error:
        reason = str(error).strip().split("\n")[0]
        raise UserError(f"trainer: 이 설정으로는 학습할 수 없습니다({reason}).") from None


def quieten() -> None:
    """Leave the terminal to what a user can act upon."""
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    for name in ("pytorch_lightning", "lightning.pytorch", "lightning_fabric", "lightning", "httpx", "huggingface_hub"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"pytorch_lightning|lightning_fabric|torch\.optim\.lr_scheduler")
