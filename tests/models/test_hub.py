"""Loading by hub id, against a miniature hub on the loopback."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants
from omegaconf import OmegaConf

from tests.commands import ROOT, Origin, run
from tests.conftest import one_sentence_error
from tests.hub import serving
from tests.training.sweep_corpus import write_corpus
from yuhee.errors import UserError
from yuhee.models.pretrained import load_tokenizer

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


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return {"HF_HOME": str(tmp_path_factory.mktemp("hf")), "HF_HUB_DISABLE_XET": "1"}


@pytest.fixture(scope="module")
def online(cache: dict[str, str]) -> Iterator[Origin]:
    """Commands that see a hub."""
    with serving() as address:
        yield Origin(HF_ENDPOINT=address, HF_HUB_OFFLINE="0", **cache)


@pytest.fixture(scope="module")
def offline(cache: dict[str, str]) -> Origin:
    """Commands that have what was fetched, and no hub."""
    return Origin(HF_ENDPOINT=NOWHERE, HF_HUB_OFFLINE="1", **cache)


@pytest.mark.parametrize(("name", "arguments"), DEFAULTS, ids=[arguments[0] for _, arguments in DEFAULTS])
def test_a_default_family_loads_by_its_hub_id_and_from_what_was_fetched(
    name: str, arguments: tuple[str, ...], online: Origin, offline: Origin
) -> None:
    write_corpus(Path())
    short = (
        (f"data.max_length={250 if 'model=causal_lm' in arguments else 120}",)
        if not any("max_length" in argument for argument in arguments)
        else ()
    )
    result = run("train.py", *arguments, *SONGYS, *short, "trainer.max_steps=1", origin=online)
    assert result.returncode == 0, result.stderr
    [folder] = Path("outputs").glob("*/*/")
    facts = json.loads((folder / "bundle" / "yuhee.json").read_text(encoding="utf-8"))
    assert facts["pretrained"] == name
    again = run("yuhee", "show", *arguments, *SONGYS, *short, origin=offline)
    assert again.returncode == 0, again.stderr


def test_every_default_id_is_fetched_in_a_test() -> None:
    defaults = set()
    for path in (ROOT / "conf" / "model").glob("*.yaml"):
        values = OmegaConf.load(path)
        model = values.get("model", values)  # some files set more than the model
        defaults |= {(model[key], f"model={path.stem}") for key in ("pretrained", "tokenizer") if model.get(key)}
    assert {name for name, _ in defaults} >= {KOGPT2, "klue/roberta-small"}
    assert defaults <= {(name, arguments[0]) for name, arguments in DEFAULTS}


def test_the_licence_of_kogpt2_travels(online: Origin) -> None:
    write_corpus(Path())
    result = run("train.py", "model=kogpt2", *SONGYS, "data.max_length=96", "trainer.max_steps=1", origin=online)
    assert result.returncode == 0, result.stderr
    [folder] = Path("outputs").glob("*/*/")
    assert "license: cc-by-nc-sa-4.0" in (folder / "bundle" / "README.md").read_text(encoding="utf-8")


def test_a_hub_id_that_does_not_exist_is_one_sentence(online: Origin) -> None:
    for model in ("kogpt2", "causal_lm"):
        result = run("yuhee", "show", f"model={model}", "model.pretrained=nobody/nothing", origin=online)
        assert "허브에 그런 모델도 없습니다" in one_sentence_error(result)


def test_no_network_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", NOWHERE + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hf"))
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)  # the client tries again for half a minute
    with pytest.raises(UserError, match=r"model\.tokenizer=.*네트워크를 확인하거나"):
        load_tokenizer(KOGPT2, "model.tokenizer")
    assert waited
