import importlib.util
import logging
from pathlib import Path

import pytest
from typer.testing import CliRunner

import yuhee
from tests.conftest import small_module
from yuhee import bundle
from yuhee.chat import selection
from yuhee.chat.ctranslate import CTranslateEngine
from yuhee.chat.engine import Engine, ReplyEngine
from yuhee.chat.quantised import Int8Linear
from yuhee.cli import app
from yuhee.data.encoding.causal_lm import CausalLMEncoder
from yuhee.errors import UserError


def kind(engine: ReplyEngine) -> str:
    if isinstance(engine, CTranslateEngine):
        return "ctranslate2"
    assert isinstance(engine, Engine)
    return "int8" if isinstance(engine.network.get_output_embeddings(), Int8Linear) else "torch"


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every network counts as a large one."""
    monkeypatch.setattr(selection, "SMALL", 0)


@pytest.fixture
def no_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "int8_is_possible", lambda _: False)


@pytest.fixture
def no_ctranslate2(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "ctranslate2" else find(name))


@pytest.mark.parametrize("name", ["torch", "int8", "ctranslate2"])
def test_the_named_engine_answers(small_bundle: Path, name: str, caplog: pytest.LogCaptureFixture) -> None:
    companion = yuhee.load(small_bundle, engine=name)
    assert kind(companion.engine) == name
    assert companion.reply("안녕", max_new_tokens=4).strip()
    assert (small_bundle / "ctranslate2").exists() == (name == "ctranslate2")
    assert caplog.messages == []


def test_a_small_network_answers_as_it_is(small_model: bundle.Model) -> None:
    engine = selection.make_engine(small_model)
    assert kind(engine) == "torch"
    assert engine.network is small_model.network  # type: ignore[attr-defined]


def test_a_large_one_with_smaller_weights(small_model: bundle.Model, large: None) -> None:
    assert kind(selection.make_engine(small_model)) == "int8"


def test_or_with_ctranslate2(small_model: bundle.Model, large: None, no_kernel: None) -> None:
    assert kind(selection.make_engine(small_model)) == "ctranslate2"


@pytest.mark.parametrize("name", ["auto", "ctranslate2"])
def test_without_ctranslate2_a_note_says_how_to_get_it(
    small_model: bundle.Model, large: None, no_kernel: None, no_ctranslate2: None, name: selection.EngineName,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    assert kind(selection.make_engine(small_model, name)) == "torch"
    (note,) = caplog.messages
    assert 'pip install "yuhee[fast]"' in note


def test_a_family_that_ctranslate2_does_not_know_is_answered_by_pytorch(
    encoder: CausalLMEncoder, caplog: pytest.LogCaptureFixture
) -> None:
    network = {"model_type": "llama", "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2}
    module = small_module(encoder, network={**network, "hidden_size": 32, "intermediate_size": 32})
    model = bundle.Model(module.network.eval(), encoder, {})
    assert kind(selection.make_engine(model, "ctranslate2")) == "torch"
    (note,) = caplog.messages
    assert "llama" in note
    assert "PyTorch" in note


def test_int8_without_its_kernel_is_said(
    small_model: bundle.Model, no_kernel: None, caplog: pytest.LogCaptureFixture
) -> None:
    assert kind(selection.make_engine(small_model, "int8")) == "torch"
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "int8" in caplog.text


@pytest.mark.parametrize("name", ["", "cuda", "Torch", "../x"])
def test_an_unknown_engine_is_refused_with_the_known_ones(small_bundle: Path, name: str) -> None:
    with pytest.raises(UserError, match="auto, torch, int8, ctranslate2"):
        yuhee.load(small_bundle, engine=name)


def test_the_command_takes_an_engine(small_bundle: Path) -> None:
    command = ["chat", str(small_bundle), "--greedy", "--engine"]
    told = CliRunner().invoke(app, [*command, "ctranslate2"], input="안녕\n뭐 해?\n")
    assert told.exit_code == 0, told.output
    assert len(told.stdout.splitlines()) == 2
    assert (small_bundle / "ctranslate2").is_dir()
    refused = CliRunner().invoke(app, [*command, "ct2"], input="안녕\n")
    assert isinstance(refused.exception, UserError)
    assert "engine=ct2" in str(refused.exception)
