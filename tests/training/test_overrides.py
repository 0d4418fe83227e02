"""The command line as people type it."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from yuhee.errors import UserError
from yuhee.training import compose_config, config_dir, parse_config, prepare
from yuhee.training.run_folder import new_run_folder

GROUPS = {
    folder.name: [file.stem for file in folder.glob("*.yaml") if not file.stem.startswith("_")]
    for folder in config_dir().iterdir()
    if folder.is_dir()
}
GROUPS["sweep"].remove("wandb")  # W&B's own format
NEEDS = {"causal_lm": ["model.pretrained=some/model"]}  # a choice that says nothing by itself


@pytest.mark.parametrize("choice", [f"{group}={name}" for group, names in sorted(GROUPS.items()) for name in names])
def test_every_yaml_composes_into_a_valid_configuration(choice: str) -> None:
    config = parse_config(compose_config([choice, *NEEDS.get(choice.removeprefix("model="), [])]))
    assert config.data.batch_size > 0
    assert config.model.name


@pytest.mark.parametrize("model", GROUPS["model"])
@pytest.mark.parametrize("data", GROUPS["data"])
def test_every_model_goes_with_every_corpus(model: str, data: str) -> None:
    config = parse_config(compose_config([f"model={model}", f"data={data}", *NEEDS.get(model, [])]))
    assert config.data.name == data


def test_all_mistakes_are_told_at_once_with_the_nearest_names() -> None:
    with pytest.raises(UserError) as caught:
        prepare(["data=songis", "data.bach_size=3", "+model.lrr=1", "trainer.max_step=3", "model.lr=fast", "sead=3"])
    message = str(caught.value)
    for part in (
        "data=songis",
        "비슷한 이름: songys",
        "data.bach_size: 없는 키입니다(비슷한 이름: data.batch_size",
        "model.lrr: 없는 키입니다(비슷한 이름: model.lr",
        "trainer.max_step: 없는 키입니다(비슷한 이름: trainer.max_steps",
        "model.lr=fast: 수가 아닙니다",
        "sead: 없는 키입니다(비슷한 이름: seed",
    ):
        assert part in message


@pytest.mark.parametrize(
    ("override", "part"),
    [
        ("data.batch_size=0", "data.batch_size=0: 0보다 커야 합니다"),
        ("data.batch_size=2.5", "data.batch_size=2.5: 정수가 아닙니다"),
        ("data.max_length=4", "data.max_length=4: 8 이상이어야 합니다"),
        ("data.split.by=rows", "data.split.by=rows"),
        ("data.split.ratios=[0.5,0.1,0.1]", "합이 1이어야 합니다"),
        ("data.reader.paht=x", "data.reader.paht: 없는 키입니다"),
        ("trainer.max_epochs=many", "trainer.max_epochs=many: 정수가 아닙니다"),
        ("trainer.precision=16", "precision=…"),
        ("precision=fp8", "precision=fp8"),
        ("optimized_metric=test/bpc", "시험 점수"),
        ("logger=wanb", "비슷한 이름: wandb"),
        ("callbacks.checkpoint.every_n_steps=0", "0보다 커야 합니다"),
        ("model.network=3", "model.network=3"),
        ("songys", "비슷한 이름: data=songys"),
    ],
)
def test_a_mistake_is_one_sentence_with_its_key(override: str, part: str) -> None:
    with pytest.raises(UserError, match="설정") as caught:
        prepare([override])
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_model_without_a_source_says_how_to_get_one() -> None:
    with pytest.raises(UserError, match=r"model\.from_scratch=true"):
        prepare(["model=kogpt2", "model.pretrained=null"])


def test_lightnings_own_names_are_taken_without_a_plus() -> None:
    config = parse_config(compose_config(["trainer.limit_train_batches=3", "trainer.max_time=00:00:10:00"]))
    assert config.trainer["limit_train_batches"] == 3
    assert config.trainer["max_time"] == "00:00:10:00"


PATHS = [
    "데이터/내 파일.csv",
    "a,b.csv",
    "f(1).csv",
    "k=v.csv",
    "it's.csv",
    'say "hi".csv',
    "back\\slash.csv",
    "[x]{y}",
    "100%",
    "1e3",
]


@pytest.mark.parametrize("path", PATHS)
def test_paths_are_taken_as_typed(path: str) -> None:
    assert parse_config(compose_config(["data=songys", f"data.path={path}"])).data.path == path


@settings(max_examples=40)
@given(st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="'\"$~"), min_size=1, max_size=20))
def test_any_path_survives_the_command_line(path: str) -> None:
    if path == "null":
        return
    assert parse_config(compose_config(["data=songys", f"data.path={path}"])).data.path == path


def test_a_tilde_is_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/somewhere")
    config = parse_config(compose_config(["data=songys", "data.path=~/내 대화.csv", "model.tokenizer=~/tok"]))
    assert config.data.path == "/somewhere/내 대화.csv"
    assert config.model.tokenizer == "/somewhere/tok"


def test_values_hydra_cannot_parse_become_text() -> None:
    assert prepare(["data.name=안녕 (친구), 야"]) == ["++data.name='안녕 (친구), 야'"]


def test_a_sweep_keeps_its_commas() -> None:
    assert prepare(["-m", "model.lr=1e-4,3e-4", "seed=1,2"]) == ["-m", "++model.lr=1e-4,3e-4", "++seed=1,2"]


def test_nothing_to_resume_is_an_error() -> None:
    with pytest.raises(UserError, match="ckpt_path=last"):
        prepare(["ckpt_path=last"])


def _unfinished_run(folder: Path, overrides: list[str]) -> None:
    (folder / ".hydra").mkdir(parents=True)
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "last.ckpt").touch()
    (folder / ".hydra" / "config.yaml").write_text(OmegaConf.to_yaml(compose_config(overrides)), encoding="utf-8")


def test_resume_takes_the_newest_unfinished_run_of_the_same_configuration() -> None:
    for name, overrides in (("01-00-00", []), ("02-00-00", []), ("03-00-00", []), ("04-00-00", ["seed=2"])):
        _unfinished_run(Path("outputs/2026-01-01") / name, overrides)
    Path("outputs/2026-01-01/03-00-00/metrics.json").write_text("{}")
    assert prepare(["ckpt_path=last"])[-1] == "hydra.run.dir='outputs/2026-01-01/02-00-00'"
    assert prepare(["ckpt_path=last", "seed=2"])[-1] == "hydra.run.dir='outputs/2026-01-01/04-00-00'"
    assert prepare(["ckpt_path=last", "hydra.run.dir=x"])[-1] == "hydra.run.dir='x'"


def test_new_run_folders_are_never_shared() -> None:
    folders = [new_run_folder("out") for _ in range(5)]
    assert len(set(folders)) == 5
    assert all(Path(folder).is_dir() for folder in folders)


def test_an_experiment_outranks_the_defaults_and_the_command_line_outranks_it() -> None:
    assert compose_config(["experiment=first_run"]).optimized_metric == "train/loss"
    assert compose_config(["experiment=first_run", "optimized_metric=val/loss"]).optimized_metric == "val/loss"
