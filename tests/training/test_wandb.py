"""W&B: what an offline run holds, and that nothing it does stops a training."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import pytorch_lightning as pl
import yaml
from wandb.sdk.launch.sweeps.utils import create_sweep_command, create_sweep_command_args, load_sweep_config

from tests import commands
from tests.conftest import ROOT
from tests.training.sweep_corpus import SMALL, STEPS_PER_EPOCH, write_corpus
from tests.training.wandb_files import history, records, service, summary, tables, values
from yuhee import bundle
from yuhee.errors import UserError
from yuhee.training import compose_config, log_evaluation, parse_config, train, wandb_access, wandb_run
from yuhee.training.progress import StepFigures
from yuhee.training.wandb_run import WandbConfig, WandbRun


def _kill_the_service() -> None:
    original = StepFigures.on_train_batch_end

    def kill(self: StepFigures, trainer: Any, *rest: Any) -> None:
        original(self, trainer, *rest)
        if trainer.global_step == 2:
            os.kill(service(os.getpid()), signal.SIGKILL)

    StepFigures.on_train_batch_end = kill  # type: ignore[method-assign]


def _agents_command(file: Path, run_id: str) -> list[str]:
    """The command that W&B's agent runs for `file`, made with the agent's own functions."""
    config = load_sweep_config(str(file))
    assert config["metric"] == {"name": "val/bpc", "goal": "minimize"}
    chosen = {"model.lr": {"value": 0.0012}, "seed": {"value": 2}}
    assert set(chosen) <= set(config["parameters"])
    parts = create_sweep_command_args({"args": chosen})
    parts |= {"env": ["/usr/bin/env"], "interpreter": ["python"], "program": [str(ROOT / config["program"])]}
    command: list[str] = []
    for chunk in create_sweep_command(config["command"]):
        command += parts[chunk[2:-1]] if chunk.startswith("${") else [chunk]
    return command


def test_a_run_of_wandbs_agent_is_recorded_whole(tmp_path: Path) -> None:
    """The file for `wandb sweep` starts a run; what the run wrote offline is read back."""
    write_corpus(tmp_path)
    result = subprocess.run(
        [*_agents_command(ROOT / "conf/sweep/wandb.yaml", "agent1"), *SMALL, "data.epochs=2", "hydra.run.dir=run"],
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "WANDB_SWEEP_ID": "sweep1",
            "WANDB_RUN_ID": "agent1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    folder = tmp_path / "run"
    [run] = [record for kind, record in records(folder) if kind == "run"]
    config = values(run.config.update)
    assert run.run_id == "agent1"
    assert (config["model"]["lr"], config["seed"]) == (0.0012, 2)
    assert "path" not in config["data"]
    rows = history(folder)
    rates = {row["trainer/global_step"]: row["train/lr"] for row in rows if "train/lr" in row}
    metrics = pd.read_csv(folder / "metrics.csv")
    csv = metrics.dropna(subset=["train/lr"]).set_index("step")["train/lr"].to_dict()
    assert rates == csv
    assert len(rates) > 8
    assert any(row.get("train/tokens_per_second", 0) > 0 for row in rows)
    assert [row["val/bpc"] for row in rows if "val/bpc" in row] == list(metrics["val/bpc"].dropna())
    assert summary(folder)["data/train_dialogues"] == 48
    prompts = yaml.safe_load((ROOT / "conf/logger/wandb.yaml").read_text(encoding="utf-8"))["wandb"]["prompts"]
    first, last = tables(folder)
    assert last["columns"] == ["epoch", "step", "prompt", "reply"]
    assert [row[:3] for row in last["data"]] == [[epoch, 12 * (epoch + 1), p] for epoch in (0, 1) for p in prompts]
    assert last["data"][: len(prompts)] == first["data"]
    assert all(row[3] for row in last["data"])
    assert run.host == ""


def test_a_killed_service_stops_nothing(tmp_path: Path) -> None:
    write_corpus(tmp_path)
    arguments = (*SMALL, "logger=wandb", "data.epochs=1", "hydra.run.dir=run")
    result = commands.run("train.py", *arguments, before=_kill_the_service)
    assert result.returncode == 0, result.stderr
    assert "Traceback" not in result.stderr
    assert result.stderr.count("W&B에 더는 기록하지 않습니다") == 1
    steps = pd.read_csv(tmp_path / "run" / "metrics.csv").dropna(subset=["train/loss"])["step"]
    assert list(steps) == list(range(1, 13))
    assert (tmp_path / "run" / "metrics.json").is_file()


def test_a_service_that_hangs_holds_nothing_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(wandb_run, "FINISH", 0.3)
    monkeypatch.setattr(wandb_run, "PATIENCE", 0.3)
    run = WandbRun(WandbConfig(), tmp_path, {}, private=False)
    stopped = service(os.getpid())
    os.kill(stopped, signal.SIGSTOP)
    try:
        run.log_metrics({"val/bpc": 3.0}, 1)
        run.finish(0)
    finally:
        os.kill(stopped, signal.SIGKILL)
    assert caplog.text.count("더는 기록하지 않습니다") == 1


class _Dies(pl.Callback):
    def on_train_batch_end(self, trainer: pl.Trainer, *args: object) -> None:
        if trainer.global_step == STEPS_PER_EPOCH + 5:
            raise ConnectionError("the machine went away")


def test_the_replies_of_a_resumed_run_are_whole(tmp_path: Path) -> None:
    write_corpus(tmp_path)
    options = [*SMALL, "data.epochs=2", "callbacks.checkpoint.every_n_steps=4", "logger=wandb"]
    prompts = 'logger.wandb.prompts=["안녕","잘 자"]'
    with pytest.raises(ConnectionError):
        train(parse_config(compose_config([*options, prompts])), tmp_path / "run", [_Dies()])
    config = parse_config(compose_config([*options, prompts]))
    train(config.model_copy(update={"ckpt_path": "last"}), tmp_path / "run")
    rows = tables(tmp_path / "run")[-1]["data"]
    assert [(row[0], row[2]) for row in rows] == [(0, "안녕"), (0, "잘 자"), (1, "안녕"), (1, "잘 자")]


def test_runs_of_a_sweep_are_one_group_and_a_resume_keeps_its_id(tmp_path: Path) -> None:
    (tmp_path / "2026-01-01_00-00-00" / "0").mkdir(parents=True)
    (tmp_path / "2026-01-01_00-00-00" / "multirun.yaml").write_text("{}")
    folder = tmp_path / "2026-01-01_00-00-00" / "0"
    ids = set()
    for second in range(2):
        time.sleep(1.1 * second)  # an offline run's folder is named after its second
        tracker = WandbRun(WandbConfig(), folder, {"seed": 1}, private=False)
        tracker.log_metrics({"val/bpc": 3.0}, 1)
        tracker.finish(0)
        [run] = [record for kind, record in records(folder) if kind == "run"]
        ids.add(run.run_id)
        assert run.run_group == "2026-01-01_00-00-00"
    assert len(ids) == 1


def test_a_notebook_that_changes_its_folder_is_recorded_where_its_run_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in ("one", "other"):  # W&B's service of this process stays in the first one
        (tmp_path / place / "run").mkdir(parents=True)
        monkeypatch.chdir(tmp_path / place)
        WandbRun(WandbConfig(), Path("run"), {}, private=False).finish(0)
        assert records(Path("run").resolve())


def test_a_private_model_sends_figures_only(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="비공개"):
        WandbRun(WandbConfig(log_bundle=True), tmp_path, {}, private=True)
    assert WandbRun(WandbConfig(prompts=["안녕"]), tmp_path, {}, private=True).prompts == []


def test_bundle_and_report_are_artifacts(small_model: bundle.Model, tmp_path: Path) -> None:
    tracker = WandbRun(WandbConfig(log_bundle=True, project="mine"), tmp_path, {}, private=False)
    bundle.save_bundle(small_model, tmp_path / "bundle", {"test/bpc": 9.0})
    tracker.log_result({"test/bpc": 9.0})
    tracker.finish(0)
    [sent] = [record for kind, record in records(tmp_path) if kind == "artifact"]
    assert sent.type == "bundle"
    assert {"model.safetensors", "yuhee.json"} <= {entry.path for entry in sent.manifest.contents}
    page = tmp_path / "evaluation-epoch=3" / "report.html"
    page.parent.mkdir()
    page.write_text("<html>")
    time.sleep(1.1)  # an offline run's folder is named after its second
    log_evaluation(tmp_path, page)
    kinds = list(records(tmp_path))
    [report] = [record for kind, record in kinds if kind == "artifact"]
    assert (report.name, report.type) == (f"evaluation-epoch-3-{sent.run_id}", "evaluation")
    assert [entry.path for entry in report.manifest.contents] == ["report.html"]
    [run] = [record for kind, record in kinds if kind == "run"]
    assert (run.run_id, run.project) == (sent.run_id, "mine")


def test_a_report_of_a_private_model_or_of_a_stranger_stays_here(small_model: bundle.Model, tmp_path: Path) -> None:
    page = tmp_path / "evaluation" / "report.html"
    page.parent.mkdir()
    page.write_text("<html>")
    with pytest.raises(UserError, match="logger=wandb"):
        log_evaluation(tmp_path, page)
    (tmp_path / ".wandb-run").write_text("abc\nyuhee\n")
    small_model.facts["private"] = True
    bundle.save_bundle(small_model, tmp_path / "bundle", {})
    with pytest.raises(UserError, match="비공개"):
        log_evaluation(tmp_path, page)
    assert not (tmp_path / "wandb").exists()


def test_what_takes_too_long_or_fails_is_told() -> None:
    with pytest.raises(TimeoutError):
        wandb_access.within(0.01, lambda: signal.pause())
    with pytest.raises(ZeroDivisionError):
        wandb_access.within(1, lambda: 1 // 0)
