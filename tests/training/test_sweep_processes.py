"""Sweeps as people start them: real jobs, real launchers, real kills."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from hydra.core.hydra_config import HydraConfig
from optuna.trial import TrialState

from tests.conftest import ROOT
from tests.training.sweep_corpus import SMALL, write_corpus
from tests.training.wandb_files import records
from yuhee.training.progress import StepFigures

Run = Callable[..., subprocess.CompletedProcess[str]]
FOLDER = Path("outputs/sweep/here")
TINY = (*SMALL, "trainer.max_steps=2", f"hydra.sweep.dir={FOLDER}")


def _kill_in_a_trial() -> None:
    original = StepFigures.on_train_batch_end

    def kill(self: StepFigures, trainer: Any, *rest: Any) -> None:
        original(self, trainer, *rest)
        if HydraConfig.get().job.num == 1 and trainer.global_step == 6:
            os.kill(os.getpid(), signal.SIGKILL)

    StepFigures.on_train_batch_end = kill  # type: ignore[method-assign]


def _table() -> dict[int, dict[str, str]]:
    with (FOLDER / "sweep.csv").open(newline="") as file:
        return {int(row["job"]): row for row in csv.DictReader(file)}


def test_one_failed_job_is_listed_and_ends_no_other(tmp_path: Path) -> None:
    """Two workers of joblib: one job is too long for its model, the other finishes."""
    write_corpus(tmp_path)
    result = subprocess.run(  # joblib's workers do not end beside a forked parent
        [sys.executable, ROOT / "train.py", "-m", *TINY, "hydra/launcher=joblib", "data.max_length=9999,64"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "120"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert {number: row["status"] for number, row in _table().items()} == {0: "failed", 1: "finished"}
    assert "512 토큰까지만" in _table()[0]["error"]
    assert "실패한 작업 0" in result.stdout
    _check_job(1)


def test_a_search_killed_in_a_trial_resumes_that_trial(run: Run, tmp_path: Path) -> None:
    write_corpus(tmp_path)
    arguments = [
        *SMALL,
        "data.epochs=1",
        "callbacks.checkpoint.every_n_steps=4",
        "sweep=optuna_tiny",
        "hydra.sweeper.n_trials=3",
        "hydra.sweeper.pruner=null",
    ]
    killed = run("train.py", *arguments, before=_kill_in_a_trial)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    [folder] = Path("outputs/sweep").iterdir()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d", folder.name)
    first = (folder / "0" / "metrics.json").stat().st_mtime_ns
    resumed = run("train.py", *arguments, "ckpt_path=last")
    assert resumed.returncode == 0, resumed.stderr
    assert [each.name for each in Path("outputs/sweep").iterdir()] == [folder.name]
    assert (folder / "0" / "metrics.json").stat().st_mtime_ns == first
    journal = optuna.storages.journal.JournalFileBackend(str((folder / "optuna.journal").resolve()))
    trials = optuna.load_study(storage=optuna.storages.JournalStorage(journal), study_name="yuhee").trials
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 3
    for trial in trials:
        metrics = json.loads((folder / str(trial.number) / "metrics.json").read_text())
        assert trial.value == metrics["val/bpc"]
        with (folder / str(trial.number) / "metrics.csv").open(newline="") as file:
            steps = [int(row["step"]) for row in csv.DictReader(file) if row["train/loss"]]
        assert steps == list(range(1, 13)), "a trial that was resumed has every step once"


def test_pruned_trials_are_runs_of_their_own_in_one_group_of_wandb(run: Run, tmp_path: Path) -> None:
    """Nothing is as good as the pruner wants: both trials stop at their first validation, and neither failed."""
    write_corpus(tmp_path)
    pruner = (
        "hydra.sweeper.pruner._target_=optuna.pruners.ThresholdPruner",
        "+hydra.sweeper.pruner.upper=0.001",
        "~hydra.sweeper.pruner.n_startup_trials",
        "hydra.sweeper.pruner.n_warmup_steps=0",
    )
    search = ("hydra/sweeper=optuna", "hydra.sweeper.n_trials=2", "model.lr=interval(1e-4, 1e-3)", *pruner)
    result = run("train.py", "-m", *SMALL, "data.epochs=2", f"hydra.sweep.dir={FOLDER}", *search, "logger=wandb")
    assert result.returncode == 0, result.stdout + result.stderr
    assert {number: row["status"] for number, row in _table().items()} == {0: "pruned", 1: "pruned"}
    assert all(float(row["val/bpc"]) > 0 for row in _table().values())
    assert "더는 기록하지 않습니다" not in result.stderr, result.stderr
    ids = set()
    for number in range(2):
        kinds = list(records(FOLDER / str(number)))
        [recorded] = [record for kind, record in kinds if kind == "run"]
        [ended] = [record for kind, record in kinds if kind == "exit"]
        ids.add(recorded.run_id)
        assert (recorded.run_group, ended.exit_code) == (FOLDER.name, 0)
        assert recorded.display_name == f"{FOLDER.name}/{number}"
    assert len(ids) == 2


@pytest.mark.parametrize(("launcher", "jobs"), [("submitit_local", 1), ("ray", 2)])
def test_launchers_run_jobs_in_processes_of_their_own(launcher: str, jobs: int, run: Run, tmp_path: Path) -> None:
    write_corpus(tmp_path)
    seeds = ",".join(map(str, range(jobs)))
    result = run("train.py", "-m", *TINY, f"hydra/launcher={launcher}", f"seed={seeds}", PYTHONPATH=str(ROOT))
    assert result.returncode == 0, result.stdout + result.stderr
    assert {number: row["status"] for number, row in _table().items()} == dict.fromkeys(range(jobs), "finished")
    for number in range(jobs):
        _check_job(number)
    assert not list(Path("outputs").glob("20*")), "a job has no run folder beside its own"


def _check_job(number: int) -> None:
    folder = FOLDER / str(number)
    metrics = json.loads((folder / "metrics.json").read_text())
    assert float(_table()[number]["val/bpc"]) == metrics["val/bpc"]
    assert (folder / ".hydra" / "config.yaml").is_file()
    assert (folder / "bundle" / "yuhee.json").is_file()
    assert "대화" in (folder / "train.log").read_text(encoding="utf-8")
