"""What a sweep does with its jobs, with a launcher that only writes down their outcomes."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode
from omegaconf import OmegaConf
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState

from tests.training.sweep_corpus import SMALL, STEPS_PER_EPOCH, write_corpus
from yuhee.errors import UserError
from yuhee.training import compose_config, config_dir, launchers, parse_config, prepare, train
from yuhee.training.search import Pruned, TrialReport, distribution, search
from yuhee.training.sweep import Sweep, grid
from yuhee.training.sweep_folder import resume_sweep

FOLDER = Path("outputs/sweep/2026-01-01_00-00-00")
MEDIAN = OmegaConf.create({"_target_": "optuna.pruners.MedianPruner", "n_startup_trials": 1})
SPACE = [
    "data.num_workers=0",
    "model.lr=tag(log, interval(1e-4, 1e-2))",
    "seed=range(1, 4)",
    "data=choice(sample, songys)",
]


class Launcher:
    """Runs `job` for each job's number and settings, and keeps what it returns as the outcome."""

    def __init__(self, job: Callable[[int, dict[str, str]], dict[str, object]]) -> None:
        self.job = job
        self.started: list[int] = []

    def launch(self, batch: list[list[str]], initial_job_idx: int) -> None:
        for number, overrides in enumerate(batch, initial_job_idx):
            self.started.append(number)
            outcome = self.job(number, dict(override.lstrip("+").split("=", 1) for override in overrides))
            (FOLDER / str(number)).mkdir(parents=True, exist_ok=True)
            (FOLDER / str(number) / "job.json").write_text(json.dumps(outcome))


def _sweep(launcher: Launcher, *overrides: str) -> Sweep:
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        arguments = [*overrides, f"hydra.sweep.dir={FOLDER}"]
        config = loader.load_configuration("train", arguments, run_mode=RunMode.MULTIRUN)
    return Sweep(loader, config, launcher)  # type: ignore[arg-type]


def _good(number: int, settings: dict[str, str]) -> dict[str, object]:
    return {"status": "finished", "figure": float(settings["model.lr"])}


def _rows() -> list[dict[str, str]]:
    with (FOLDER / "sweep.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_process_that_dies_takes_no_other_job_along(capsys: pytest.CaptureFixture[str]) -> None:
    def job(number: int, settings: dict[str, str]) -> dict[str, object]:
        if number == 1:
            raise RuntimeError("a worker was killed")
        return _good(number, settings)

    launcher = Launcher(job)
    overrides = ["++model.lr=1e-3,2e-3,5e-4", "++seed=1"]
    sweep = _sweep(launcher, *overrides)
    with sweep.held(overrides):
        grid(sweep, overrides, None)
        assert sweep.summarise()
    assert launcher.started == [0, 1, 1, 2]
    assert [(row["job"], row["status"], row["val/bpc"]) for row in _rows()] == [
        ("2", "finished", "0.0005"),
        ("0", "finished", "0.001"),
        ("1", "failed", ""),
    ]
    assert list(_rows()[0]) == ["job", "status", "val/bpc", "model.lr", "error"]
    assert "실패한 작업 1" in capsys.readouterr().out
    assert resume_sweep(overrides) == FOLDER
    launcher.job = _good
    with sweep.held(overrides):
        grid(sweep, overrides, None)
        assert not sweep.summarise()
    with pytest.raises(UserError, match="하다 만 스윕"):
        resume_sweep(overrides)


def test_a_folder_of_another_sweep_is_refused() -> None:
    with _sweep(Launcher(_good), "++seed=1").held(["++seed=1"]):
        pass
    with pytest.raises(UserError, match="다른 스윕"), _sweep(Launcher(_good)).held(["++seed=2"]):
        pass


def test_wrong_settings_of_any_job_are_told_before_the_first_starts() -> None:
    launcher = Launcher(_good)
    for batch_size in (None, 1):
        sweep = _sweep(launcher)
        with pytest.raises(UserError, match=r"data\.batch_size=0(.|\n)*seed=-1"), sweep.held([]):
            grid(sweep, ["data.batch_size=4,0", "seed=1,-1"], batch_size)
    assert launcher.started == []
    assert not FOLDER.exists()


def test_an_interval_needs_a_search() -> None:
    with pytest.raises(UserError, match="hydra/sweeper=optuna"):
        grid(_sweep(Launcher(_good)), ["model.lr=interval(1e-4,1e-3)"], None)


def test_a_search_that_was_killed_keeps_its_trials_and_goes_on() -> None:
    class Killed(BaseException):
        pass

    def dies(number: int, settings: dict[str, str]) -> dict[str, object]:
        if number == 3:
            raise Killed
        if number == 1:
            return {"status": "pruned", "figure": 9.0}
        return {"status": "failed", "error": "…"} if number == 2 else _good(number, settings)

    def run(launcher: Launcher) -> None:
        FOLDER.mkdir(parents=True, exist_ok=True)
        sweep = _sweep(launcher)
        search(sweep, SPACE, n_trials=8, batch_size=1, seed=0, pruner=MEDIAN)
        sweep.summarise()

    with pytest.raises(Killed):
        run(Launcher(dies))
    again = Launcher(_good)
    run(again)
    assert again.started == [3, 4, 5, 6, 7]
    study = TrialReport.of(FOLDER, 0, None)[0].trial.study  # type: ignore[attr-defined]
    states = [trial.state for trial in study.trials]
    assert states == [TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, *[TrialState.COMPLETE] * 5]
    assert len({trial.params["model.lr"] for trial in study.trials}) == 8, "proposed again what it had proposed before"
    assert all(trial.params["seed"] in (1, 2, 3) for trial in study.trials)
    assert {row["job"] for row in _rows()} == set("01234567")
    assert float(_rows()[0]["val/bpc"]) == study.best_value
    assert _rows()[0]["data"] in ("sample", "songys")


def test_a_proposal_that_cannot_be_is_a_failed_trial_and_ends_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    FOLDER.mkdir(parents=True)
    space = ["model.lr=1e-3", "data.batch_size=int(interval(0, 1))"]
    for trials, started in ((6, None), (8, 2)):  # the second start goes on after the first
        launcher = Launcher(_good)
        sweep = _sweep(launcher)
        search(sweep, space, n_trials=trials, batch_size=2, seed=0, pruner=None)
        assert sweep.summarise()
        assert started is None or len(launcher.started) <= started
    study = TrialReport.of(FOLDER, 0, None)[0].trial.study  # type: ignore[attr-defined]
    states = {trial.params["data.batch_size"]: trial.state for trial in study.trials}
    assert states == {0: TrialState.FAIL, 1: TrialState.COMPLETE}
    failed = [row for row in _rows() if row["status"] == "failed"]
    assert len(_rows()) == 8 > len(failed) > 0
    assert all(row["data.batch_size"] == "0" and "data.batch_size=0" in row["error"] for row in failed)
    assert "data.batch_size=0" in capsys.readouterr().out


def test_a_trial_that_had_no_settings_yet_when_it_was_killed_counts_as_failed() -> None:
    FOLDER.mkdir(parents=True)
    (FOLDER / "optuna.journal").touch()
    sweep = _sweep(Launcher(_good))
    storage = optuna.storages.JournalStorage(
        optuna.storages.journal.JournalFileBackend(str((FOLDER / "optuna.journal").resolve()))
    )
    study = optuna.create_study(storage=storage, study_name="yuhee")
    study.ask()
    search(sweep, SPACE, n_trials=2, batch_size=2, seed=0, pruner=None)
    assert [trial.state for trial in study.trials] == [TrialState.FAIL, TrialState.COMPLETE]


def test_an_unpromising_trial_stops_at_its_first_validation(tmp_path: Path) -> None:
    storage = optuna.storages.JournalStorage(
        optuna.storages.journal.JournalFileBackend(str(tmp_path / "optuna.journal"))
    )
    study = optuna.create_study(storage=storage, study_name="yuhee")
    rival = optuna.trial.create_trial(value=0.1, intermediate_values={33: 0.2, 67: 0.1}, state=TrialState.COMPLETE)
    study.add_trial(rival)
    study.ask()
    write_corpus(tmp_path)
    config = parse_config(compose_config([*SMALL, "data.epochs=3"]))
    with pytest.raises(Pruned):
        train(config, tmp_path / "1", TrialReport.of(tmp_path, 1, MEDIAN))
    reported = study.trials[1].intermediate_values
    with (tmp_path / "1" / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert max(int(row["step"]) for row in rows) == STEPS_PER_EPOCH
    assert reported == {33: pytest.approx(float(next(row["val/bpc"] for row in rows if row["val/bpc"])))}


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("interval(0, 1)", FloatDistribution(0.0, 1.0)),
        ("tag(log, interval(1e-4, 3e-3))", FloatDistribution(1e-4, 3e-3, log=True)),
        ("int(interval(4, 32))", IntDistribution(4, 32)),
        ("range(0.0, 0.35, step=0.05)", FloatDistribution(0.0, 0.3, step=0.05)),
        ("range(1, 8, 2)", IntDistribution(1, 7, step=2)),
        ("1e-3,2e-3", CategoricalDistribution(["0.001", "0.002"])),
        ("[1,2],null,true", CategoricalDistribution(["[1,2]", "null", "True"])),
    ],
)
def test_what_is_searched_is_said_in_hydras_syntax(typed: str, expected: object) -> None:
    assert distribution(OverridesParser.create().parse_override(f"x={typed}")) == expected


def test_nothing_to_search_and_no_optuna_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = _sweep(Launcher(_good))
    with pytest.raises(UserError, match="탐색할 값이 없습니다"):
        search(sweep, ["seed=1"], n_trials=1, batch_size=1, seed=0, pruner=None)
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    with pytest.raises(UserError, match=r"yuhee\[sweep\]"):
        search(sweep, SPACE, n_trials=1, batch_size=1, seed=0, pruner=None)


@pytest.mark.parametrize(
    ("name", "extra"), [("joblib", "sweep"), ("submitit_local", "slurm"), ("submitit_slurm", "slurm"), ("ray", "ray")]
)
def test_a_launcher_that_is_not_installed_says_how_to_get_it(
    name: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launchers, "find_spec", lambda package: None)
    with pytest.raises(UserError, match=rf"hydra/launcher={name}: pip install \"yuhee\[{extra}\]\""):
        prepare(["-m", f"hydra/launcher={name}", "seed=1,2"])


@pytest.mark.parametrize("name", ["joblib", "submitit_local", "submitit_slurm", "ray"])
def test_launchers_compose_with_their_plugins_own_schema(name: str) -> None:
    compose_config([f"hydra/launcher={name}"])


def test_the_file_for_wandbs_agents_is_no_choice_of_hydras() -> None:
    with pytest.raises(UserError, match=r"wandb sweep conf/sweep/wandb\.yaml"):
        prepare(["-m", "sweep=wandb"])


def test_paths_of_a_sweep_are_taken_as_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/somewhere")
    typed = "data.path=~/내 대화.csv,~/너(2).csv"
    assert prepare(["-m", "data=songys", typed])[2] == "++data.path='/somewhere/내 대화.csv','/somewhere/너(2).csv'"


def test_a_sweep_goes_on_in_its_own_folder() -> None:
    arguments = prepare(["-m", "seed=1,2", "hydra/launcher=joblib"])
    FOLDER.mkdir(parents=True)
    OmegaConf.save({"hydra": {"overrides": {"task": ["++seed=1,2"]}}}, FOLDER / "multirun.yaml")
    assert prepare(["-m", "seed=1,2", "ckpt_path=last"]) == ["-m", "++seed=1,2", f"hydra.sweep.dir='{FOLDER}'"]
    assert arguments[:2] == ["-m", "++seed=1,2"]
    with pytest.raises(UserError, match="하다 만 스윕"):
        prepare(["-m", "seed=1,3", "ckpt_path=last"])
    named = prepare(["sweep=optuna_tiny", "ckpt_path=last", "hydra.sweep.dir=x"])
    assert named == ["sweep=optuna_tiny", "hydra.sweep.dir='x'"]
