"""Run folders: one per run, and the one to resume."""

import itertools
import json
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from omegaconf import DictConfig, OmegaConf

from yuhee.errors import UserError
from yuhee.paths import PATIENCE, is_running

OUTPUTS = "outputs"
BEFORE_LEARNING = (".hydra", ".lock", "train.log", "read_report.json", "read_report.html", "cache")


def new_run_folder(root: str = OUTPUTS) -> str:
    """Make `root/<date>/<time>[-n]`: the folder is created here, so no two runs ever get the same."""
    now = datetime.now()
    day = Path(root) / now.strftime("%Y-%m-%d")
    for n in itertools.count(1):
        folder = day / (now.strftime("%H-%M-%S") + (f"-{n}" if n > 1 else ""))
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return str(folder)
    raise AssertionError("unreachable")


def is_finished(folder: Path) -> bool:
    """Whether a run came to its end: then it has its figures."""
    return (folder / "metrics.json").is_file()


def finished_runs(root: str | Path = OUTPUTS) -> list[Path]:
    """Finished runs under `root`, oldest first."""
    return sorted(file.parent for file in Path(root).glob("*/*/metrics.json") if (file.parent / "bundle").is_dir())


def newest_run(tasks: Collection[str], root: str | Path = OUTPUTS) -> Path | None:
    """The newest finished run under `root` whose model is made for one of some tasks (see `Encoder.task`)."""
    return next((run for run in reversed(finished_runs(root)) if _task(run) in tasks), None)


def _task(run: Path) -> str:
    try:
        facts = json.loads((run / "bundle" / "yuhee.json").read_text(encoding="utf-8"))
        return str(facts.get("task", "text-generation"))
    except (OSError, ValueError, AttributeError):
        return ""


def check_unused(folder: Path, ckpt_path: str | None) -> None:
    """Refuse a folder that holds another run, or one whose run has come to its end and is to go on.

    Raises:
        UserError: with what to do instead.
    """
    if ckpt_path == "last":
        if is_finished(folder):
            raise UserError(
                f"{folder}: 이미 끝난 실행이라 이어 갈 것이 없습니다. 더 학습하려면 다른 폴더에서 "
                f"ckpt_path={folder}/checkpoints/last.ckpt 와 더 큰 data.epochs로 시작해 주세요."
            )
    elif (folder / "checkpoints").exists():
        raise UserError(
            f"{folder}: 이 폴더에는 다른 실행이 있습니다. 이어 가려면 ckpt_path=last 를, "
            "새로 하려면 다른 hydra.run.dir를 쓰세요."
        )


def remove_unbegun(folder: Path) -> None:
    """Remove what a run leaves that ended before it learned anything; a folder with anything else in it stays."""
    if all(item.name in BEFORE_LEARNING for item in folder.iterdir()):
        shutil.rmtree(folder, ignore_errors=True)


def resume_folder(config: DictConfig, root: str = OUTPUTS) -> Path:
    """The newest unfinished run with the same configuration that has a checkpoint and is not running.

    Raises:
        UserError: there is none.
    """
    wanted = _identity(config)
    for file in sorted(Path(root).glob("*/*/.hydra/config.yaml"), reverse=True):
        folder = file.parent.parent
        if is_finished(folder) or not any((folder / "checkpoints").glob("*.ckpt")):
            continue
        if _identity(OmegaConf.load(file)) == wanted and not is_running(folder):
            return folder
    raise UserError(
        f"ckpt_path=last: 이 설정으로 하다 만 실행이 {root}/ 에 없습니다. 설정이 같은지 확인하거나 "
        "hydra.run.dir=<실행 폴더> 로 지정해 주세요. 처음부터 하려면 ckpt_path를 빼세요."
    )


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a run folder; another process that holds it already is an error.

    Raises:
        UserError: the run is still going on.
    """
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=PATIENCE)
    except Timeout:
        raise UserError(f"{folder}: 이 실행은 아직 돌고 있습니다. 끝나기를 기다리거나 다른 폴더를 쓰세요.") from None
    with lock:
        yield


def _identity(config: Any) -> Any:
    values: Any = OmegaConf.to_container(config, resolve=True)
    return {key: value for key, value in values.items() if key not in ("ckpt_path", "hydra")}
