"""`python train.py …` and `yuhee …` in processes of their own, forked from one that has imported everything already.

Importing takes longer than most of what is tested.
"""

import atexit
import contextlib
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from multiprocessing import forkserver
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULES = (
    "yuhee.cli",
    "yuhee.chat.companion",
    "yuhee.chat.terminal",
    "yuhee.evaluation.command",
    "yuhee.training",
    "yuhee.models.causal_lm",
)  # not wandb: it makes a folder when it is imported, which the first command to end would take from the others


class Origin:
    """The process that commands are forked from; it starts with the first of them.

    Args:
        environment: variables that decide something while modules are imported, such as the hub client's.
    """

    def __init__(self, **environment: str) -> None:
        self.environment = environment
        self._server = forkserver.ForkServer()
        self._server.set_forkserver_preload(list(MODULES))

    def fork(self, target: Callable[..., None], arguments: tuple[object, ...]) -> multiprocessing.Process:
        process = multiprocessing.get_context("forkserver").Process(target=target, args=arguments)
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.environment.items():
                patch.setenv(name, value)
            patch.setattr(forkserver, "connect_to_new_process", self._server.connect_to_new_process)
            process.start()
        return process  # type: ignore[return-value]


_ORIGIN = Origin()


class Command:
    """A command that runs in the current folder.

    Args:
        command: `train.py` or `yuhee`, and its arguments.
        stdin: what it reads.
        before: called in its process first, to make it fail or to watch it; has to be picklable.
        origin: what it is forked from.
        environment: variables beside those of this process.
    """

    def __init__(
        self,
        *command: str,
        stdin: str = "",
        before: Callable[[], None] | None = None,
        origin: Origin = _ORIGIN,
        **environment: str,
    ) -> None:
        self.command = command
        self._folder = tempfile.TemporaryDirectory()
        Path(self._folder.name, "stdin").write_text(stdin, encoding="utf-8")
        whole = {**os.environ, "COLUMNS": "120", **origin.environment, **environment}
        self._process = origin.fork(_run, (str(Path.cwd()), self._folder.name, whole, before, command))

    def result(self, timeout: float = 240) -> subprocess.CompletedProcess[str]:
        """Wait for its end; what a killed command leaves running goes with it."""
        self._process.join(timeout)
        self._process.kill()
        self._process.join()
        if (status := self._process.exitcode or 0) < 0:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid or 0, signal.SIGKILL)
        with self._folder as folder:
            files = (Path(folder, name) for name in ("stdout", "stderr"))
            said = [file.read_text(encoding="utf-8", errors="replace") for file in files]
        return subprocess.CompletedProcess(self.command, status, *said)


def run(
    *command: str,
    stdin: str = "",
    before: Callable[[], None] | None = None,
    origin: Origin = _ORIGIN,
    **environment: str,
) -> subprocess.CompletedProcess[str]:
    """Run a command in the current folder to its end, see `Command`."""
    return Command(*command, stdin=stdin, before=before, origin=origin, **environment).result()


def after_step(steps: int, number: int) -> None:
    """Have the run send itself a signal after so many optimizer steps."""
    from yuhee.training.progress import StepFigures

    original = StepFigures.on_train_batch_end

    def end(self: StepFigures, trainer, *rest) -> None:  # type: ignore[no-untyped-def]
        original(self, trainer, *rest)
        if trainer.global_step == steps:
            os.kill(os.getpid(), number)

    StepFigures.on_train_batch_end = end  # type: ignore[method-assign]


def _run(
    folder: str, own: str, environment: dict[str, str], before: Callable[[], None] | None, command: tuple[str, ...]
) -> None:
    from lightning_fabric.utilities.rank_zero import rank_zero_only

    multiprocessing.set_start_method(None, force=True)  # the default, for loaders, as in a new Python
    os.setsid()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    os.environ.pop("WANDB_SERVICE", None)  # W&B's service of the process that asked for the command is that one's own
    os.dup2(os.open(f"{own}/stdin", os.O_RDONLY), 0)
    sys.stdin = os.fdopen(0, encoding="utf-8")
    for number, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(f"{own}/{name}", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), number)
        setattr(sys, name, os.fdopen(number, "w", encoding="utf-8", buffering=1))
    rank_zero_only.rank = int(environment.get("LOCAL_RANK", "0"))  # Lightning reads it when it is imported
    if before is not None:
        before()
    sys.argv = list(command)
    try:
        if command[0] == "train.py":
            sys.argv[0] = str(ROOT / "train.py")
            runpy.run_path(sys.argv[0], run_name="__main__")
        else:
            runpy.run_module("yuhee", run_name="__main__")
    finally:
        atexit._run_exitfuncs()  # a forked process leaves without them
