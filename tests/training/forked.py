"""Runs of `train.py` by processes that are forked from one that has imported everything, so that they start at once."""

import multiprocessing
import os
import runpy
import signal
import socket
import sys
from pathlib import Path

from tests.conftest import ROOT

_server = multiprocessing.get_context("forkserver")
_server.set_forkserver_preload(["yuhee.training", "yuhee.models.causal_lm"])


def train(*arguments: str, ranks: int = 1, stop_after: int | None = None, timeout: float = 200) -> tuple[int, str]:
    """Train in the current folder.

    Args:
        arguments: of `train.py`.
        ranks: processes, which find each other as under `torchrun`.
        stop_after: optimizer steps until the first rank gets a SIGINT.

    Returns:
        The first rank's exit status, and what all of them printed.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    output = Path("output.txt")
    output.unlink(missing_ok=True)
    together = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": str(ranks), "NODE_RANK": "0"}
    processes = []
    for rank in range(ranks):
        place = {**together, "LOCAL_RANK": str(rank)} if ranks > 1 else {}
        environment = {"YUHEE_CACHE_DIR": str(Path("cache").resolve()), **place}
        stop = stop_after if rank == 0 else None
        processes.append(_server.Process(target=_run, args=(str(Path.cwd()), arguments, environment, stop)))
        processes[-1].start()
    for process in processes:
        process.join(timeout)
        process.kill()
        process.join()
    return processes[0].exitcode or 0, output.read_text(encoding="utf-8", errors="replace")


def _run(folder: str, arguments: tuple[str, ...], environment: dict[str, str], stop_after: int | None) -> None:
    from lightning_fabric.utilities.rank_zero import rank_zero_only

    os.chdir(folder)
    os.environ.update(environment)
    file = os.open("output.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(file, 1)
    os.dup2(file, 2)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", buffering=1)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", buffering=1)
    rank_zero_only.rank = int(environment.get("LOCAL_RANK", "0"))  # Lightning reads it when it is imported
    if stop_after is not None:
        _stop_after(stop_after)
    sys.argv = [str(ROOT / "train.py"), *arguments]
    runpy.run_path(sys.argv[0], run_name="__main__")


def _stop_after(steps: int) -> None:
    from yuhee.training.progress import StepFigures

    original = StepFigures.on_train_batch_end

    def end(self: StepFigures, trainer, *rest) -> None:  # type: ignore[no-untyped-def]
        original(self, trainer, *rest)
        if trainer.global_step == steps:
            os.kill(os.getpid(), signal.SIGINT)

    StepFigures.on_train_batch_end = end  # type: ignore[method-assign]
