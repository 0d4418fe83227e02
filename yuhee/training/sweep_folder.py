"""The folder of a sweep: what it was asked for, what is left to do, and the one to go on in."""

import csv
from collections.abc import Sequence
from pathlib import Path

from omegaconf import OmegaConf

from yuhee.errors import UserError
from yuhee.paths import is_running
from yuhee.training.run_folder import OUTPUTS

CONFIG = "multirun.yaml"  # Hydra's name for the configuration of a whole sweep
TABLE = "sweep.csv"  # written at its end
JOURNAL = "optuna.journal"


def arguments_of(folder: Path) -> list[str] | None:
    """Overrides that a sweep was started with, Hydra's own left out; None if the folder holds no sweep."""
    path = folder / CONFIG
    return list(OmegaConf.load(path).hydra.overrides.task) if path.is_file() else None


def is_complete(folder: Path) -> bool:
    """Whether nothing is left to do: a grid tries again what failed, a search has counted it."""
    path = folder / TABLE
    if not path.is_file():
        return False
    with path.open(newline="", encoding="utf-8") as file:
        return (folder / JOURNAL).is_file() or all(row["status"] != "failed" for row in csv.DictReader(file))


def group_of(run: Path) -> str | None:
    """Name of the sweep that a run folder belongs to."""
    return run.parent.name if (run.parent / CONFIG).is_file() else None


def resume_sweep(arguments: Sequence[str], root: str | Path = Path(OUTPUTS) / "sweep") -> Path:
    """The newest sweep with the same arguments that is not running and has something left to do.

    Raises:
        UserError: there is none.
    """
    for folder in sorted((file.parent for file in Path(root).glob(f"*/{CONFIG}")), reverse=True):
        if arguments_of(folder) == list(arguments) and not is_complete(folder) and not is_running(folder):
            return folder
    raise UserError(
        f"ckpt_path=last: 이 설정으로 하다 만 스윕이 {root}/ 에 없습니다. 설정이 같은지 확인하거나 "
        "hydra.sweep.dir=<스윕 폴더> 로 지정해 주세요. 처음부터 하려면 ckpt_path를 빼세요."
    )
