"""Sweeps: many jobs by any Hydra launcher; one that fails does not end the others, a sweep that was killed goes on."""

import csv
import io
import logging
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig, OmegaConf, open_dict
from rich.console import Console
from rich.table import Table
from rich.text import Text

from yuhee.errors import UserError
from yuhee.paths import is_running, write_private
from yuhee.training.config import find_problems, problems_error
from yuhee.training.run_folder import locked
from yuhee.training.sweep_folder import CONFIG, JOURNAL, TABLE, arguments_of
from yuhee.training.sweep_job import OUTCOME, Outcome, read_outcome, write_outcome

log = logging.getLogger(__name__)

_STATUS = {"finished": "끝남", "pruned": "가지치기", "failed": "실패"}


@dataclass(frozen=True)
class Job:
    """One job: its folder and its settings, key → value as on the command line."""

    folder: Path
    settings: dict[str, str]


class Sweep:
    """The jobs of one sweep.

    Args:
        loader: Hydra's, to compose a job's configuration.
        config: of the sweep, with `hydra`.
        launcher: runs batches of jobs.
    """

    def __init__(self, loader: Any, config: DictConfig, launcher: Launcher) -> None:
        self.loader = loader
        self.config = config
        self.launcher = launcher
        self.folder = Path(config.hydra.sweep.dir)
        self.jobs: dict[int, Job] = {}

    @contextmanager
    def held(self, arguments: Sequence[str]) -> Iterator[None]:
        """Hold the sweep's folder, new or of the same sweep.

        Args:
            arguments: overrides that are not Hydra's own.

        Raises:
            UserError: the folder is another sweep's, or this one is still going on.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with locked(self.folder):
            if (before := arguments_of(self.folder)) is not None and before != list(arguments):
                raise UserError(
                    f"{self.folder}: 이 폴더에는 다른 스윕({' '.join(before)})이 있습니다. "
                    "같은 명령으로 이어 가거나 다른 hydra.sweep.dir를 쓰세요."
                )
            OmegaConf.save(self.config, self.folder / CONFIG)
            try:
                yield
            except UserError:
                if {file.name for file in self.folder.iterdir()} <= {CONFIG, ".lock"}:  # no job was begun
                    shutil.rmtree(self.folder, ignore_errors=True)
                raise

    def add(self, overrides: Sequence[str], number: int) -> list[str]:
        """Count a job in, and tell what is wrong with its configuration; nothing is started."""
        self.jobs[number], problems = self._compose(number, overrides)
        return problems

    def launch(self, batch: Sequence[Sequence[str]], first: int) -> list[Outcome]:
        """Run a batch of jobs and wait for them; those that are finished already only tell their outcome.

        Args:
            batch: overrides of each job; all were added before.
            first: number of the first one; the others follow it.
        """
        jobs = [self.jobs[number] for number, _ in enumerate(batch, first)]
        for job in jobs:  # a job that failed before gets another chance
            if (outcome := read_outcome(job.folder)) and outcome.status == "failed":
                (job.folder / OUTCOME).unlink()
        self._launch(batch, first)
        return [self._outcome(job) for job in jobs]

    def refuse(self, number: int, problems: Sequence[str]) -> Outcome:
        """Let a job count as failed for its configuration, without a process."""
        folder = self.jobs[number].folder
        folder.mkdir(parents=True, exist_ok=True)
        return write_outcome(folder, Outcome("failed", error=" · ".join(problems)))

    def summarise(self) -> bool:
        """Print the table of the jobs, write it to `sweep.csv`, and tell whether any of them failed."""
        outcomes = {number: self._outcome(job) for number, job in self.jobs.items()}
        varied = _varied([job.settings for job in self.jobs.values()])
        metric = str(self.config.optimized_metric)
        header = ["job", "status", metric, *varied, "error"]
        table = Table(title=f"스윕 {self.folder}")
        for name in ("작업", "상태", metric, *varied):
            table.add_column(name, overflow="fold")
        file = io.StringIO()
        rows = csv.DictWriter(file, header, lineterminator="\n")
        rows.writeheader()
        best_first = sorted(outcomes, key=lambda number: (_rank(outcomes[number]), number))
        for number in best_first:
            outcome, job = outcomes[number], self.jobs[number]
            settings = {key: job.settings[key] for key in varied if key in job.settings}
            status = {"job": number, "status": outcome.status, metric: outcome.figure, "error": outcome.error}
            rows.writerow({**settings, **status})
            figure = "" if outcome.figure is None else f"{outcome.figure:.4f}"
            cells = (str(number), _STATUS[outcome.status], figure, *(_short(settings.get(key, "")) for key in varied))
            table.add_row(*map(Text, cells))
        write_private(self.folder / TABLE, file.getvalue())
        console = Console(soft_wrap=True)
        console.print(table)
        failed = {number: outcome for number, outcome in outcomes.items() if outcome.status == "failed"}
        for number, outcome in failed.items():
            console.print(Text(f"실패한 작업 {number} ({self.jobs[number].folder}): {outcome.error}", style="red"))
        if failed and not (self.folder / JOURNAL).is_file():
            console.print(Text("같은 명령에 ckpt_path=last 를 붙이면 실패한 작업만 다시 합니다."))
        return bool(failed)

    def _launch(self, batch: Sequence[Sequence[str]], first: int) -> None:
        """Have the launcher run a batch; where a job's process died and took others along, go on one by one."""
        try:
            self.launcher.launch(batch, initial_job_idx=first)
        except Exception as error:  # launchers have no exception in common for a process that died
            log.warning("작업 프로세스가 죽었습니다: %s", str(error).strip().split("\n")[0])
            if len(batch) == 1:
                return
            for number, overrides in enumerate(batch, first):
                folder = self.jobs[number].folder
                while folder.is_dir() and is_running(folder):
                    time.sleep(1)
                if read_outcome(folder) is None:
                    self._launch([overrides], number)

    def _compose(self, number: int, overrides: Sequence[str]) -> tuple[Job, list[str]]:
        """A job, and what is wrong with its configuration."""
        pairs = dict(override.lstrip("+").split("=", 1) for override in overrides if "=" in override)
        settings = {key: value for key, value in pairs.items() if not key.startswith("hydra")}
        try:
            config = self.loader.load_sweep_config(self.config, list(overrides))
        except HydraException as error:  # without a configuration there is no other name for the folder
            return Job(self.folder / str(number), settings), [f"읽을 수 없습니다: {str(error).split(chr(10))[0]}"]
        with open_dict(config):
            config.hydra.job.num = number
            config.hydra.job.id = number
        folder = Path(config.hydra.sweep.dir) / str(config.hydra.sweep.subdir)
        problems = find_problems(OmegaConf.masked_copy(config, [key for key in config if key != "hydra"]))
        return Job(folder, settings), problems

    def _outcome(self, job: Job) -> Outcome:
        died = Outcome(
            "failed", error="작업 프로세스가 결과를 남기지 않고 끝났습니다. 메모리나 시간 제한을 살펴보세요."
        )
        return read_outcome(job.folder) or died


def grid(sweep: Sweep, overrides: Sequence[str], batch_size: int | None) -> None:
    """Run all combinations of the values.

    Args:
        sweep: whose folder is held.
        overrides: keys and their values, in Hydra's syntax; later ones outrank earlier ones.
        batch_size: jobs that the launcher gets at a time; None is all of them.

    Raises:
        UserError: something no grid can be made of, or a wrong configuration.
    """
    try:
        parsed = OverridesParser.create(config_loader=sweep.loader).parse_overrides(list(overrides))
        batches = BasicSweeper.split_arguments(parsed, batch_size)
    except HydraException as error:
        raise UserError(
            f"격자로 펼칠 수 없는 값이 있습니다({str(error).split(chr(10))[0]}). "
            "값을 쉼표로 나열하거나, interval(…)은 hydra/sweeper=optuna 와 함께 쓰세요."
        ) from None
    jobs = [overrides for batch in batches for overrides in batch]
    problems = {problem for number, overrides in enumerate(jobs) for problem in sweep.add(overrides, number)}
    if problems:
        raise problems_error(sorted(problems))
    first = 0
    for batch in batches:
        sweep.launch(batch, first)
        first += len(batch)


def _varied(settings: Sequence[dict[str, str]]) -> list[str]:
    """Keys whose values differ, in the order of the command line."""
    keys = dict.fromkeys(key for each in settings for key in each)
    return [key for key in keys if len({each.get(key) for each in settings}) > 1]


def _short(value: str) -> str:
    try:
        return f"{float(value):.4g}"
    except ValueError:
        return value


def _rank(outcome: Outcome) -> tuple[int, float]:
    figure = float("inf") if outcome.figure is None else outcome.figure
    return list(_STATUS).index(outcome.status), figure
