"""Loading by hub id, against a miniature hub on the loopback."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants
from omegaconf import OmegaConf

from tests.conftest import ROOT, one_sentence_error
from tests.hub import serving
from tests.training.sweep_corpus import write_corpus
from yuhee.errors import UserError
from yuhee.models.pretrained import load_tokenizer

Run = Callable[..., subprocess.CompletedProcess[str]]

KOGPT2 = "skt/kogpt2-base-v2"
LONG = ("data.max_length=250",)  # for the setting, in tokens of so small a vocabulary
NOWHERE = "http://127.0.0.1:9"
DEFAULTS = [  # what a checkpoint of each layout is asked for by; those without `pretrained` are the families' own defaults
    (KOGPT2, ("model=kogpt2",)),
    ("gogamza/kobart-base-v2", ("model=kobart", "data.max_length=64")),
    ("klue/roberta-small", ("model=emotion_roberta",)),
    ("klue/roberta-small", ("model=emotion_pet", "data.few_shot=2", "model.pattern_steps=1")),
    (
        "Qwen/Qwen2.5-0.5B-Instruct",
        ("model=causal_lm", "model.pretrained=Qwen/Qwen2.5-0.5B-Instruct", "model.lora.r=2"),
    ),
    ("EleutherAI/polyglot-ko-1.3b", ("model=causal_lm", "model.pretrained=EleutherAI/polyglot-ko-1.3b", *LONG)),
]
SONGYS = ("data=songys", "data.path=corpus.csv", "data.privacy=public")


@pytest.fixture
def _online(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")


@pytest.fixture
def hub(_online: None) -> Iterator[str]:
    """A hub with a KoGPT2-like repository."""
    with serving(KOGPT2) as address:
        yield address


@pytest.mark.parametrize(("name", "arguments"), DEFAULTS, ids=[arguments[0] for _, arguments in DEFAULTS])
@pytest.mark.usefixtures("_online")
def test_a_default_family_loads_by_its_hub_id_and_from_what_was_fetched(
    name: str, arguments: tuple[str, ...], run: Run
) -> None:
    write_corpus(Path())
    short = (
        (f"data.max_length={250 if 'model=causal_lm' in arguments else 120}",)
        if not any("max_length" in argument for argument in arguments)
        else ()
    )
    with serving(name) as address:
        result = run("train.py", *arguments, *SONGYS, *short, "trainer.max_steps=1", HF_ENDPOINT=address)
    assert result.returncode == 0, result.stderr
    [folder] = Path("outputs").glob("*/*/")
    facts = json.loads((folder / "bundle" / "yuhee.json").read_text(encoding="utf-8"))
    assert facts["pretrained"] == name
    again = run("yuhee", "show", *arguments, *SONGYS, *short, HF_ENDPOINT=NOWHERE, HF_HUB_OFFLINE="1")
    assert again.returncode == 0, again.stderr


def test_every_default_id_is_fetched_in_a_test() -> None:
    defaults = set()
    for path in (ROOT / "conf" / "model").glob("*.yaml"):
        values = OmegaConf.load(path)
        model = values.get("model", values)  # some files set more than the model
        defaults |= {(model[key], f"model={path.stem}") for key in ("pretrained", "tokenizer") if model.get(key)}
    assert {name for name, _ in defaults} >= {KOGPT2, "klue/roberta-small"}
    assert defaults <= {(name, arguments[0]) for name, arguments in DEFAULTS}


def test_the_licence_of_kogpt2_travels(hub: str, run: Run) -> None:
    arguments = ("train.py", "model=kogpt2", "data=sample", "data.max_length=96", "trainer.max_steps=1")
    result = run(*arguments, HF_ENDPOINT=hub)
    assert result.returncode == 0, result.stderr
    [folder] = Path("outputs").glob("*/*/")
    assert "license: cc-by-nc-sa-4.0" in (folder / "bundle" / "README.md").read_text(encoding="utf-8")


def test_a_hub_id_that_does_not_exist_is_one_sentence(hub: str, run: Run) -> None:
    for model in ("kogpt2", "causal_lm"):
        result = run("yuhee", "show", f"model={model}", "model.pretrained=nobody/nothing", HF_ENDPOINT=hub)
        assert "허브에 그런 모델도 없습니다" in one_sentence_error(result)


@pytest.mark.usefixtures("_online")
def test_no_network_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", NOWHERE + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hf"))
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)  # the client tries again for half a minute
    with pytest.raises(UserError, match=r"model\.tokenizer=.*네트워크를 확인하거나"):
        load_tokenizer(KOGPT2, "model.tokenizer")
    assert waited
