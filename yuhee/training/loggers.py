"""Where figures go: metrics.csv always, W&B and TensorBoard on request."""

import csv
import logging
import os
import secrets
import threading
from argparse import Namespace
from pathlib import Path
from typing import Any

import pandas as pd
import requests
from pytorch_lightning.loggers import Logger, TensorBoardLogger, WandbLogger
from pytorch_lightning.utilities import rank_zero_only

from yuhee.errors import UserError

log = logging.getLogger(__name__)

WANDB_PATIENCE = 4.0  # seconds for each of two tries, then a run goes offline


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


def make_loggers(config: dict[str, Any], folder: Path, last_step: int | None, settings: dict[str, Any]) -> list[Logger]:
    """`metrics.csv`, and what `conf/logger` adds.

    Args:
        config: `{wandb: {…}}`, `{tensorboard: {}}` or nothing.
        folder: of the run.
        last_step: of the checkpoint that is resumed, in optimizer steps.
        settings: plain values to record beside the figures.
    """
    loggers: list[Logger] = [CsvMetrics(folder / "metrics.csv", last_step)]
    if "wandb" in config:
        loggers.append(_wandb(config["wandb"] or {}, folder, settings))
    if "tensorboard" in config:
        try:
            loggers.append(TensorBoardLogger(folder, name="tensorboard", version=""))
        except ModuleNotFoundError:
            raise UserError('logger=tensorboard: pip install "yuhee[tensorboard]" 로 설치해 주세요.') from None
    return loggers


def _wandb(options: dict[str, Any], folder: Path, settings: dict[str, Any]) -> WandbLogger:
    import wandb

    id_file = folder / ".wandb-run"
    if not id_file.is_file():
        id_file.write_text(secrets.token_hex(4))

    def logger(mode: str) -> WandbLogger:
        made = WandbLogger(
            **{**options, "name": options.get("name") or "/".join(folder.parts[-2:])},
            save_dir=folder,
            id=id_file.read_text(),
            resume="allow" if mode == "online" else None,
            mode=mode,
            settings=wandb.Settings(
                silent=True, init_timeout=WANDB_PATIENCE, console="off", save_code=False, x_disable_meta=True
            ),
        )
        made.log_hyperparams(settings)
        return made

    mode = os.environ.get("WANDB_MODE")
    if mode is not None:
        return logger(mode)
    reason = _within(WANDB_PATIENCE, _why_offline, default="W&B 서버가 제때 답하지 않아")
    if reason is None:
        try:
            return logger("online")
        except wandb.errors.Error:
            reason = "W&B가 실행을 받아 주지 않아"
    log.warning("%s 오프라인으로 기록합니다. 나중에 'wandb sync %s/wandb/offline-run-*' 로 올립니다.", reason, folder)
    return logger("offline")


def _why_offline() -> str | None:
    """Why W&B cannot be used online now; None if it can. Asks the server once, with the key if there is one."""
    import wandb

    url = (os.environ.get("WANDB_BASE_URL") or wandb.setup().settings.base_url).rstrip("/") + "/graphql"
    netrc = requests.utils.get_netrc_auth(url)
    key = os.environ.get("WANDB_API_KEY") or (netrc[1] if netrc else None)
    if not key:
        return "W&B 키가 없어"
    try:
        answer = requests.post(url, json={"query": "{viewer{id}}"}, auth=("api", key), timeout=WANDB_PATIENCE / 2)
    except requests.RequestException:
        return "W&B 서버에 닿지 못해"
    try:
        viewer = (answer.json().get("data") or {}).get("viewer") if answer.ok else None
    except ValueError:
        viewer = None
    return None if viewer else "W&B 키가 맞지 않아"


def _within(seconds: float, function: Any, default: Any) -> Any:
    """The function's result, or `default` if it takes longer."""
    result = [default]
    thread = threading.Thread(target=lambda: result.__setitem__(0, function()), daemon=True)
    thread.start()
    thread.join(seconds)
    return result[0]
