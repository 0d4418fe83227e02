"""Runs that are really killed, and go on as if nothing had happened."""

import csv
import json
import os
import signal
import subprocess
from collections import defaultdict
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.commands import run
from tests.training.sweep_corpus import STEPS_PER_EPOCH, write_corpus
from yuhee.training.progress import StepFigures

AT_TEST = -2
ARGUMENTS = (
    "data=songys",
    "data.path=corpus.csv",
    "data.epochs=2",
    "data.batch_size=4",
    "data.num_workers=2",
    "model.vocab_size=400",
    "model.network.num_hidden_layers=1",
    "model.network.hidden_size=32",
    "model.network.num_attention_heads=2",
    "trainer.log_every_n_steps=1",
    "callbacks.checkpoint.every_n_steps=4",
)


def _watch(stop_after: int, number: int) -> None:
    """Note the examples of every batch, and have the run send itself a signal after a step or when it is tested."""
    original = StepFigures.on_train_batch_end

    def note(self: StepFigures, trainer: Any, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        original(self, trainer, module, outputs, batch, batch_idx)
        with Path("seen.csv").open("a") as file:
            print(trainer.current_epoch, batch_idx, trainer.global_step, *batch["ids"], sep=",", file=file)
        if trainer.global_step == stop_after:
            os.kill(os.getpid(), number)
            os.kill(os.getpid(), number)  # as from `timeout`, which signals a process and its group

    def note_test(self: StepFigures, trainer: Any, module: Any) -> None:
        if stop_after == AT_TEST:
            os.kill(os.getpid(), number)

    StepFigures.on_train_batch_end = note  # type: ignore[method-assign]
    StepFigures.on_test_start = note_test  # type: ignore[method-assign]


def _start(
    folder: Path, *arguments: str, stop_after: int = -1, number: int = signal.SIGKILL
) -> subprocess.CompletedProcess[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return run("train.py", *ARGUMENTS, *arguments, before=partial(_watch, stop_after, int(number)))


def _run_folder(folder: Path) -> Path:
    [found] = (folder / "outputs").glob("*/*/")
    return found


def _losses(folder: Path) -> dict[int, str]:
    with (_run_folder(folder) / "metrics.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["train/loss"]]
    steps = [int(row["step"]) for row in rows]
    assert steps == sorted(set(steps)), "a step was logged twice"
    return {int(row["step"]): row["train/loss"] for row in rows}


def _metrics(folder: Path) -> dict[str, object]:
    metrics = json.loads((_run_folder(folder) / "metrics.json").read_text())
    return {key: value for key, value in metrics.items() if key != "seconds" and not key.endswith("per_second")}


def _examples_per_epoch(folder: Path) -> dict[int, list[str]]:
    """Examples by epoch, in the order of training; of a step that was done again, the last time counts."""
    steps: dict[tuple[int, int], list[str]] = {}
    for line in (folder / "seen.csv").read_text().splitlines():
        epoch, batch, _, *ids = line.split(",")
        steps[int(epoch), int(batch)] = ids
    epochs: dict[int, list[str]] = defaultdict(list)
    for (epoch, _), ids in sorted(steps.items()):
        epochs[epoch] += ids
    return epochs


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("uninterrupted")
    write_corpus(folder)
    result = _start(folder)
    assert result.returncode == 0, result.stderr
    return folder


def test_an_uninterrupted_run_sees_every_example_once_per_epoch(uninterrupted: Path) -> None:
    first, second = _examples_per_epoch(uninterrupted).values()
    assert len(first) == len(set(first)) == 48
    assert sorted(first) == sorted(second)
    assert first != second
    assert list(_losses(uninterrupted)) == list(range(1, 2 * STEPS_PER_EPOCH + 1))


def test_a_run_killed_again_and_again_equals_an_uninterrupted_one(uninterrupted: Path, tmp_path: Path) -> None:
    """Killed in an epoch, between the last batch and validation, at an epoch's first batch, near the end, and before the test."""
    write_corpus(tmp_path)
    resume: tuple[str, ...] = ()
    for step in (6, STEPS_PER_EPOCH, STEPS_PER_EPOCH + 1, 2 * STEPS_PER_EPOCH - 1):
        assert _start(tmp_path, *resume, stop_after=step).returncode == -signal.SIGKILL
        resume = ("ckpt_path=last",)
    assert _start(tmp_path, *resume, stop_after=AT_TEST).returncode == -signal.SIGKILL
    result = _start(tmp_path, *resume)
    assert result.returncode == 0, result.stderr
    assert _losses(tmp_path) == _losses(uninterrupted)
    assert _examples_per_epoch(tmp_path) == _examples_per_epoch(uninterrupted)
    saved = torch.load(_run_folder(tmp_path) / "checkpoints" / "previous.ckpt", weights_only=True)
    before = next(state["seconds"] for state in saved["callbacks"].values() if "seconds" in state)
    seconds = json.loads((_run_folder(tmp_path) / "metrics.json").read_text())["seconds"]
    assert seconds > before > 0, "the seconds of all sessions count"
    assert _metrics(tmp_path) == _metrics(uninterrupted)


def test_ctrl_c_saves_and_goes_on_from_the_very_step(uninterrupted: Path, tmp_path: Path) -> None:
    write_corpus(tmp_path)
    stopped = _start(tmp_path, stop_after=STEPS_PER_EPOCH + 2, number=signal.SIGINT)
    assert stopped.returncode == 130
    assert "ckpt_path=last" in stopped.stderr
    assert "Traceback" not in stopped.stderr
    saved = torch.load(_run_folder(tmp_path) / "checkpoints" / "last.ckpt", weights_only=True)
    assert saved["global_step"] == STEPS_PER_EPOCH + 2
    result = _start(tmp_path, "ckpt_path=last")
    assert result.returncode == 0, result.stderr
    told = f"last.ckpt의 스텝 {STEPS_PER_EPOCH + 2}부터 이어 갑니다"
    assert told in result.stderr + result.stdout
    assert _losses(tmp_path) == _losses(uninterrupted)
    assert _metrics(tmp_path) == _metrics(uninterrupted)


def test_a_torn_checkpoint_falls_back_to_the_one_before(uninterrupted: Path, tmp_path: Path) -> None:
    write_corpus(tmp_path)
    assert _start(tmp_path, stop_after=10).returncode == -signal.SIGKILL
    last = _run_folder(tmp_path) / "checkpoints" / "last.ckpt"
    last.write_bytes(last.read_bytes()[:-1000])
    result = _start(tmp_path, "ckpt_path=last")
    assert result.returncode == 0, result.stderr
    assert "손상" in result.stderr
    assert _losses(tmp_path) == _losses(uninterrupted)
    assert _metrics(tmp_path) == _metrics(uninterrupted)


def test_a_finished_run_is_not_resumed_and_not_overwritten(uninterrupted: Path) -> None:
    result = _start(uninterrupted, "ckpt_path=last")
    assert result.returncode == 1
    assert "하다 만 실행" in result.stderr
    folder = _run_folder(uninterrupted)
    before = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    for more, told in ((["ckpt_path=last"], "이미 끝난 실행"), ([], "다른 실행"), (["seed=9"], "다른 실행")):
        again = _start(uninterrupted, f"hydra.run.dir={folder}", *more)
        assert again.returncode == 1
        assert told in again.stderr
    assert {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()} == before
