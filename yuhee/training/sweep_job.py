"""One job of a sweep: run in whatever process a launcher gives it, as often as it takes, with its outcome on disk."""

import json
import logging
import math
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import pytorch_lightning as pl
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from yuhee.errors import UserError
from yuhee.paths import write_private
from yuhee.training.checkpoints import LAST, PREVIOUS, Interrupted
from yuhee.training.config import parse_config
from yuhee.training.run import train
from yuhee.training.run_folder import is_finished
from yuhee.training.search import Pruned, TrialReport

log = logging.getLogger(__name__)

OUTCOME = "job.json"


@dataclass(frozen=True)
class Outcome:
    """How a job went.

    Attributes:
        status: what became of it; a pruned job is as final as a finished one.
        figure: the optimized metric, lower is better; None where there is none.
        error: of a failed job, one sentence.
    """

    status: Literal["finished", "pruned", "failed"]
    figure: float | None = None
    error: str | None = None


def read_outcome(folder: Path) -> Outcome | None:
    """The outcome of the job in a folder; None while there is none."""
    path = folder / OUTCOME
    return Outcome(**json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None


def write_outcome(folder: Path, outcome: Outcome) -> Outcome:
    """Write the outcome of the job in a folder, and give it back."""
    write_private(folder / OUTCOME, json.dumps(asdict(outcome), ensure_ascii=False) + "\n")
    return outcome


def run_job(config: DictConfig, folder: Path) -> float:
    """Train one job of a sweep, or go on with it where it was cut off; a finished one is left as it is.

    Mistakes and defects become the job's outcome instead of an exception, so that no launcher ends the others.

    Returns:
        The optimized metric; NaN if the job failed or was pruned.
    """
    outcome = read_outcome(folder)
    if outcome is None or outcome.status == "failed":
        outcome = write_outcome(folder, _attempt(config, folder))
    return math.nan if outcome.figure is None else outcome.figure


def _attempt(config: DictConfig, folder: Path) -> Outcome:
    metric = str(config.optimized_metric)
    try:
        if is_finished(folder):  # killed between its last file and its outcome
            return _finished(json.loads((folder / "metrics.json").read_text(encoding="utf-8")), metric)
        parsed = parse_config(config)
        if _can_go_on(folder):
            parsed = parsed.model_copy(update={"ckpt_path": "last"})
        return _finished(train(parsed, folder, _trial()).metrics, metric)
    except Interrupted as interrupted:
        sys.exit(_told(str(interrupted), 130))
    except Pruned as pruned:
        log.info("%s: 가망이 없어 멈춥니다.", folder)
        return Outcome("pruned", pruned.figure)
    except UserError as error:
        _told(f"오류: {error}", 1)
        return Outcome("failed", error=str(error))
    except Exception as error:
        log.exception("%s", folder)
        return Outcome("failed", error=f"{type(error).__name__}: {error}".split("\n")[0])


def _finished(metrics: Mapping[str, Any], metric: str) -> Outcome:
    figure = float(metrics.get(metric, math.nan))
    if math.isfinite(figure):
        return Outcome("finished", figure)
    return Outcome("failed", error=f"{metric}: 수치가 없거나 유한하지 않습니다.")


def _told(message: str, status: int) -> int:
    log.error("%s", message)
    return status


def _can_go_on(folder: Path) -> bool:
    """Whether there is a checkpoint to resume from; what a job left that was killed before its first one goes."""
    checkpoints = folder / "checkpoints"
    if any((checkpoints / name).is_file() for name in (LAST, PREVIOUS)):
        return True
    shutil.rmtree(checkpoints, ignore_errors=True)
    (folder / "metrics.csv").unlink(missing_ok=True)
    return False


def _trial() -> Sequence[pl.Callback]:
    hydra = HydraConfig.get()
    return TrialReport.of(Path(hydra.sweep.dir), int(hydra.job.num), hydra.sweeper.get("pruner"))
