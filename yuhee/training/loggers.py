"""Where figures go: metrics.csv always, W&B and TensorBoard on request."""

import csv
from argparse import Namespace
from pathlib import Path
from typing import Any

import pandas as pd
from pytorch_lightning.loggers import Logger, TensorBoardLogger
from pytorch_lightning.utilities import rank_zero_only

from yuhee.errors import UserError
from yuhee.training.wandb_run import WandbConfig, WandbRun


class CsvMetrics(Logger):
    """Appends figures to one CSV file, also across a resume.

    Lightning's own CSV logger deletes the file of the run it continues.

    Args:
        path: the file.
        last_step: rows of later optimizer steps are dropped first: the resumed run will write them again.
    """

    def __init__(self, path: Path, last_step: int | None = None) -> None:
        super().__init__()
        self.path = path
        self.columns: list[str] = []
        if path.is_file():
            rows = pd.read_csv(path, dtype=str)
            if last_step is not None:
                rows = rows[rows["step"].astype(int) <= last_step]
            self._write(rows)

    @property
    def name(self) -> str:
        return "csv"

    @property
    def version(self) -> str:
        return ""

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """The configuration stands in `.hydra/` already."""

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        row = {"step": step, **metrics}
        if new := [name for name in row if name not in self.columns]:
            rows = pd.read_csv(self.path, dtype=str) if self.columns else pd.DataFrame()
            self._write(rows.reindex(columns=[*self.columns, *new]))
        with self.path.open("a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, self.columns, lineterminator="\n").writerow(row)

    def _write(self, rows: pd.DataFrame) -> None:
        self.columns = list(rows.columns)
        partial = self.path.with_suffix(".partial")
        rows.to_csv(partial, index=False)
        partial.replace(self.path)


def make_loggers(
    config: dict[str, Any], folder: Path, last_step: int | None, settings: dict[str, Any], *, private: bool
) -> list[Logger]:
    """`metrics.csv`, and what `conf/logger` adds.

    Args:
        config: `{wandb: {…}}`, `{tensorboard: {}}` or nothing.
        folder: of the run.
        last_step: of the checkpoint that is resumed, in optimizer steps.
        settings: plain values to record beside the figures.
        private: the model learns from somebody's own chats, masked or not.

    Raises:
        UserError: a package is missing, or a private model was to be uploaded.
    """
    loggers: list[Logger] = [CsvMetrics(folder / "metrics.csv", last_step)]
    if "wandb" in config:
        loggers.append(WandbRun(WandbConfig(**config["wandb"] or {}), folder, settings, private=private))
    if "tensorboard" in config:
        try:
            loggers.append(TensorBoardLogger(folder, name="tensorboard", version=""))
        except ModuleNotFoundError:
            raise UserError('logger=tensorboard: pip install "yuhee[tensorboard]" 로 설치해 주세요.') from None
    return loggers
