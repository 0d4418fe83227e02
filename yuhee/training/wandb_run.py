"""A run as Weights & Biases shows it. Nothing that goes wrong there ends a training."""

import contextlib
import logging
import os
import re
import secrets
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field
from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities import rank_zero_only

from yuhee import bundle
from yuhee.data.config import Section
from yuhee.errors import UserError
from yuhee.training.search import Pruned
from yuhee.training.sweep_folder import group_of
from yuhee.training.wandb_access import NO_SERVER, PATIENCE, wandb_mode, within

log = logging.getLogger(__name__)

RECORD = ".wandb-run"  # in the run folder: id and project
CALL = 20.0  # seconds for any one call
FINISH = 300.0  # seconds to send what is left at the end
STEP = "trainer/global_step"


class WandbConfig(Section):
    """Keys of `logger.wandb.*`.

    Attributes:
        project, name, group, tags: W&B's own; a sweep's runs are one group, named as its folder.
        prompts: messages that the model answers after each epoch, for the table of replies. They are sent to W&B.
        log_bundle: also send the finished model.
    """

    project: str = "yuhee"
    name: str | None = None
    group: str | None = None
    tags: list[str] = Field(default_factory=list)
    prompts: list[str] = Field(default_factory=list)
    log_bundle: bool = False


class WandbRun(Logger):
    """Sends figures, replies and files of a run to W&B, or keeps them to be synced later.

    A call that fails or takes too long ends the recording with one warning, never the run.

    Args:
        config: of the logger.
        folder: of the run; `wandb/` comes to lie in it.
        settings: plain values to record beside the figures.
        private: the model learns from somebody's own chats, masked or not, and may say them: only figures are sent.

    Raises:
        UserError: `log_bundle` for a private model.
    """

    def __init__(self, config: WandbConfig, folder: Path, settings: dict[str, Any], *, private: bool) -> None:
        super().__init__()
        if private and config.log_bundle:
            raise UserError(
                "logger.wandb.log_bundle=true: 누군가의 대화로 학습하는 비공개 모델은 올릴 수 없습니다. false로 두세요."
            )
        self.config = config
        self.folder = folder
        self.prompts = [] if private else config.prompts
        self._broken = False
        self._run: Any = None
        self._call(lambda: self._start(settings), 2 * CALL)

    @property
    def name(self) -> str:
        return "wandb"

    @property
    def version(self) -> str:
        return ""

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """The configuration was recorded at the start."""

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self._call(lambda: self._run.log({**metrics, STEP: step}))

    def log_replies(self, rows: Sequence[Sequence[Any]], step: int) -> None:
        """Log the table of replies as it is now: (epoch, optimizer step, prompt, reply) in each row."""
        import wandb

        columns = ["epoch", "step", "prompt", "reply"]
        self._call(lambda: self._run.log({"replies": wandb.Table(columns, [list(row) for row in rows]), STEP: step}))

    def log_result(self, figures: dict[str, Any]) -> None:
        """Record the final figures, and the bundle if the configuration says so."""
        self._call(lambda: self._run.summary.update(figures))
        if self.config.log_bundle:
            self._call(lambda: _log_files(self._run, "bundle", self.folder / "bundle", "bundle"))

    def finish(self, exit_code: int) -> None:
        """Send what is left and end the W&B run; of two calls only the first counts."""
        self._call(lambda: self._run.finish(exit_code), FINISH)
        self._broken = True

    def _start(self, settings: dict[str, Any]) -> None:
        options = {
            "name": self.config.name or "/".join(self.folder.parts[-2:]),
            "group": self.config.group or group_of(self.folder),
            "tags": self.config.tags,
            "config": settings,
        }
        mode = wandb_mode(self.folder)
        try:
            self._run = _init(self.folder, self.config.project, mode, **options)
        except Exception:
            if mode in NO_SERVER:
                raise
            log.warning("W&B가 실행을 받아 주지 않아 오프라인으로 기록합니다: %s", self.folder)
            self._run = _init(self.folder, self.config.project, "offline", **options)

    def _call(self, function: Callable[[], Any], seconds: float = CALL) -> None:
        if self._broken or rank_zero_only.rank:  # type: ignore[attr-defined]
            return
        try:
            within(seconds, function)
        except Exception as error:  # W&B's service, its files or the network: whatever it is, training goes on
            self._broken = True
            reason = f"{type(error).__name__}: {error}".split("\n")[0]
            log.warning("W&B에 더는 기록하지 않습니다(%s). 학습과 metrics.csv는 그대로 이어집니다.", reason)
            _abandon()


@contextlib.contextmanager
def tracked(loggers: Sequence[Logger]) -> Iterator[None]:
    """Ends the W&B run with what is inside, as finished or, after an exception, as failed."""
    status = 1
    try:
        yield
        status = 0
    except Pruned:  # a sweep's way of finishing
        status = 0
        raise
    finally:
        for logger in loggers:
            if isinstance(logger, WandbRun):
                logger.finish(status)


def check_recorded(folder: Path) -> None:
    """Refuse a run whose evaluation cannot go to W&B.

    Raises:
        UserError: it was not recorded by W&B, or its model is private.
    """
    if not (folder / RECORD).is_file():
        raise UserError(
            f"{folder}: W&B로 기록한 실행이 아닙니다. --log-wandb 를 빼거나 logger=wandb 로 학습한 실행을 주세요."
        )
    if bundle.privacy_of(folder / "bundle") != "public":
        raise UserError(f"{folder}: 누군가의 대화로 학습한 비공개 모델이라 그 말이 든 보고서를 올리지 않습니다.")


def log_evaluation(folder: Path, report: Path) -> str:
    """Add a report to the W&B run of a finished run.

    Args:
        folder: of the run.
        report: the HTML page, which keeps its name there.

    Returns:
        Where it is now, for people.

    Raises:
        UserError: as `check_recorded`, or W&B fails.
    """
    check_recorded(folder)

    mode = wandb_mode(folder)

    def send() -> str:
        run = _init(folder, "", mode)
        _log_files(run, "evaluation", report, report.parent.name)
        run.finish()
        return str(Path(run.settings.sync_dir).name) if mode in NO_SERVER else str(run.url)

    try:
        place = within(FINISH, send)
    except Exception as error:
        _abandon()
        reason = str(error).split("\n")[0]
        raise UserError(f"{report}: W&B에 올리지 못했습니다({reason}). 나중에 다시 해 주세요.") from None
    if mode == "disabled":
        return "W&B: WANDB_MODE=disabled라 보고서를 기록하지 않았습니다."
    if mode in NO_SERVER:
        return f"W&B: 보고서를 오프라인으로 기록했습니다. 올리려면 wandb sync {os.path.relpath(folder)}/wandb/{place}"
    return f"W&B: 보고서를 올렸습니다. {place}"


def _init(folder: Path, project: str, mode: Any, **options: Any) -> Any:
    """Start or resume the folder's W&B run; a project that it has already counts more."""
    import wandb

    run_id, project = _record(folder, project, keep=mode != "disabled")
    run = wandb.init(
        project=project,
        dir=folder.resolve(),  # W&B's service stays in the folder where the process was when it first spoke to it
        id=run_id,
        resume="allow" if mode == "online" else None,
        reinit="create_new",  # the jobs of a sweep may share a process
        mode=mode,
        **options,
        settings=wandb.Settings(
            silent=True, init_timeout=PATIENCE, console="off", save_code=False, x_disable_meta=True, host=""
        ),
    )
    run.define_metric(STEP)
    run.define_metric("*", step_metric=STEP, step_sync=True)
    return run


def _record(folder: Path, project: str, *, keep: bool) -> tuple[str, str]:
    """Id and project of the run, which stay the same when it is resumed; W&B's agents bring an id of their own."""
    record = folder / RECORD
    if not record.is_file():
        agents = os.environ.get("WANDB_RUN_ID") if os.environ.get("WANDB_SWEEP_ID") else None
        run_id = agents or secrets.token_hex(4)
        if not keep:
            return run_id, project
        record.write_text(f"{run_id}\n{project}\n", encoding="utf-8")
    run_id, *rest = record.read_text(encoding="utf-8").split()
    return run_id, rest[0] if rest else project


def _log_files(run: Any, kind: str, path: Path, name: str) -> None:
    import wandb

    # a checkpoint's name is the user's; W&B takes these characters alone
    artifact = wandb.Artifact(f"{re.sub(r'[^a-zA-Z0-9_.-]', '-', name)}-{run.id}", kind)
    # immutable: sent from where they lie, not from a copy in the user's home that nobody would find again
    add = artifact.add_dir if path.is_dir() else artifact.add_file
    add(str(path.resolve()), policy="immutable")
    run.log_artifact(artifact)


def _abandon() -> None:
    """Let go of W&B's service: its exit hook would print a traceback, or wait for a service that never answers."""
    import wandb

    def let_go() -> None:
        with contextlib.suppress(Exception, SystemExit):  # it exits with the status of its service
            wandb.teardown(exit_code=1)

    with contextlib.suppress(TimeoutError):
        within(PATIENCE, let_go)
