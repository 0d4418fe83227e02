"""The same configuration once more, on another split."""

import logging
import sys
from pathlib import Path

from omegaconf import OmegaConf

from yuhee.errors import UserError
from yuhee.training.config import parse_config
from yuhee.training.run import train
from yuhee.training.run_folder import new_run_folder, remove_unbegun


def retrain(folder: Path, by: str, data_path: str | None = None) -> Path:
    """Train a run's configuration with `data.split.by` changed.

    Args:
        folder: of the run to repeat.
        by: `group` or `row`.
        data_path: where the corpus lies now, if it was moved.

    Returns:
        The new run's folder.

    Raises:
        UserError: as training does.
    """
    config = OmegaConf.load(folder / ".hydra" / "config.yaml")
    config = OmegaConf.merge(config, {"data": {"split": {"by": by}}, "ckpt_path": None})
    if data_path is not None:
        config.data.path = data_path
    checked = parse_config(config)
    new = Path(new_run_folder())
    handlers: list[logging.Handler] = [
        logging.StreamHandler(sys.stderr),
        logging.FileHandler(new / "train.log", encoding="utf-8"),
    ]
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=handlers)
    try:
        return train(checked, new).folder
    except UserError:
        remove_unbegun(new)
        raise
