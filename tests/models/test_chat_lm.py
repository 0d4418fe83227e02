"""The loss on known families, adapters, and what a wrong configuration is told."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.chat_families import BY_NAME, CASES, FamilyCase, checkpoint
from tests.conftest import dialogue
from yuhee import bundle
from yuhee.data.config import DataConfig
from yuhee.data.encoding.reply_example import Collate
from yuhee.data.splits import Split
from yuhee.errors import UserError
from yuhee.models import four_bits
from yuhee.models.chat_lm import ChatLM
from yuhee.models.chat_lm_config import ChatLMConfig
from yuhee.models.likelihood import projects_plainly

DIALOGUES = [
    dialogue("안녕", "응 안녕! 오늘 뭐 했어?", "그냥 있었어", "그래, 쉬는 날도 있어야지"),
    dialogue("너무 힘들었어ㅠㅠ", "무슨 일 있었어?"),
    dialogue("고마워", "ㅋㅋㅋ"),
]
DATA = DataConfig(name="test", reader={"_target_": "x"}, max_length=400)
FACTS = {"model": "causal_lm", "corpus": "test", "pretrained": None, "private": False, "corpus_hash": "0" * 32}
FACTS |= {"split": {"by": "group", "seed": 0, "ratios": [0.8, 0.1, 0.1]}, "emotion_labels": [], "longest": {}}


def module_of(folder: Path, **values: Any) -> ChatLM:
    options = {"_target_": "yuhee.models.chat_lm.ChatLM", "pretrained": str(folder), "lr": 1e-3, "system": "유희야"}
    config = ChatLMConfig(**{**options, **values})
    encoder = ChatLM.make_encoder(config, DATA, Split([], [], []))
    return ChatLM.create(config, encoder, dict(FACTS))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_loss_and_gradients_equal_those_of_plain_transformers(case: FamilyCase, tmp_path: Path) -> None:
    module = module_of(checkpoint(case, tmp_path)).eval()
    with torch.no_grad():  # so that a cap on the logits can be felt
        module.network.get_output_embeddings().weight.mul_(20)
    examples = module.encoder.encode(DIALOGUES)
    batch = Collate(0)(examples)
    lengths = torch.tensor([[len(example.input_ids)] for example in examples])
    mask = torch.arange(batch["input_ids"].shape[1]) < lengths
    expected = module.network(batch["input_ids"], attention_mask=mask.long(), labels=batch["labels"]).loss
    expected.backward()
    gradients = {name: p.grad.clone() for name, p in module.named_parameters() if p.grad is not None}
    module.zero_grad()
    objective = module.objective(batch)
    (objective.loss / objective.weight).backward()
    assert (objective.loss / objective.weight).item() == pytest.approx(expected.item(), rel=1e-4)
    for name, parameter in module.named_parameters():
        torch.testing.assert_close(parameter.grad, gradients.get(name), atol=1e-4, rtol=1e-3)
    assert module.evaluated(batch).nll == pytest.approx(objective.value, rel=1e-4)
    assert projects_plainly(module.network) == (case.name != "gemma2")


def test_adapters_alone_learn_and_are_merged_into_a_plain_network(tmp_path: Path) -> None:
    module = module_of(checkpoint(BY_NAME["llama3"], tmp_path / "llama"), lora={"r": 4, "dropout": 0.0})
    learned = {name for name, parameter in module.named_parameters() if parameter.requires_grad}
    assert learned
    assert all("lora_" in name for name in learned)
    batch = Collate(0)(module.encoder.encode(DIALOGUES))
    optimizer = torch.optim.SGD([p for p in module.parameters() if p.requires_grad], lr=0.5)
    before = module.objective(batch).value
    for _ in range(5):
        optimizer.zero_grad()
        objective = module.objective(batch)
        (objective.loss / objective.weight).backward()
        optimizer.step()
    module.eval()
    assert (trained := module.objective(batch).value) < before - 1
    checkpoint_of = {
        "state_dict": {k: v.clone() for k, v in module.state_dict().items()},
        "yuhee": module.description(),
    }
    torch.save(checkpoint_of, tmp_path / "best.ckpt")
    network = module.finished()
    assert not [name for name, _ in network.named_parameters() if "lora" in name or "base_layer" in name]
    assert module.objective(batch).value == pytest.approx(trained, rel=1e-5)
    bundle.save_bundle(bundle.Model(network, module.encoder, module.description()), tmp_path / "bundle", {})
    for place in (tmp_path / "bundle", tmp_path / "best.ckpt"):
        loaded = bundle.load(place)
        for name, parameter in network.named_parameters():
            torch.testing.assert_close(loaded.network.get_parameter(name), parameter)
    assert "yuhee.models.chat_lm" not in (tmp_path / "bundle" / "config.json").read_text()


def test_adapters_beside_rounded_weights_are_merged_into_the_checkpoints_own(tmp_path: Path) -> None:
    module = module_of(checkpoint(BY_NAME["qwen3"], tmp_path), lora={"r": 2})
    own = {name: value.clone() for name, value in module.network.state_dict().items()}
    with torch.no_grad():
        for name, parameter in module.network.named_parameters():
            if "lora_" in name:
                parameter.normal_()
            elif "q_proj" in name:
                parameter.mul_(0.9)  # as if four bits had rounded it
    learned = {name: value.clone() for name, value in module.network.state_dict().items() if "lora_" in name}
    module.config = module.config.model_copy(update={"load_in_4bit": True})
    merged = module.finished().get_parameter("model.layers.0.self_attn.q_proj.weight")
    layer = "model.layers.0.self_attn.q_proj"
    delta = learned[f"{layer}.lora_B.default.weight"] @ learned[f"{layer}.lora_A.default.weight"] * 32.0 / 2
    torch.testing.assert_close(merged, own[f"{layer}.base_layer.weight"] + delta, atol=1e-4, rtol=1e-4)


def test_a_bundle_that_needs_code_is_told_so(tmp_path: Path) -> None:
    module = module_of(checkpoint(BY_NAME["llama3"], tmp_path / "llama"))
    bundle.save_bundle(bundle.Model(module.finished(), module.encoder, module.description()), tmp_path / "bundle", {})
    config = json.loads((tmp_path / "bundle" / "config.json").read_text())
    (tmp_path / "bundle" / "config.json").write_text(
        json.dumps(
            {**config, "model_type": "unheard_of", "auto_map": {"AutoConfig": "configuration_unheard_of.Config"}}
        )
    )
    with pytest.raises(UserError, match=r"unheard_of.*trust_remote_code"):
        bundle.load(tmp_path / "bundle")


def test_adapters_on_chosen_layers_of_gpt2s_kind(tmp_path: Path) -> None:
    folder = checkpoint(BY_NAME["polyglot"], tmp_path)
    module = module_of(folder, lora={"r": 2, "target": ["query_key_value"]})
    assert {name.split(".")[-4] for name, p in module.named_parameters() if p.requires_grad} == {"query_key_value"}
    with pytest.raises(UserError, match=r"model\.lora\.target=\['nothing'\]"):
        module_of(folder, lora={"r": 2, "target": ["nothing"]})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"trust_remote_code": "somebody/else"}, r"model\.trust_remote_code"),
        ({"load_in_4bit": True}, r"model\.load_in_4bit.*lora"),
        ({"context_loss_weight": 1.0}, "context_loss_weight"),
    ],
)
def test_settings_that_do_not_go_together(tmp_path: Path, values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        module_of(tmp_path, **values)


def test_four_bits_need_their_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = checkpoint(BY_NAME["llama3"], tmp_path)
    monkeypatch.setattr(four_bits, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"model\.load_in_4bit=true: bitsandbytes.*yuhee\[4bit\]"):
        module_of(folder, load_in_4bit=True, lora={"r": 4})


@pytest.mark.parametrize("name", ["llama3", "qwen3", "gemma2", "polyglot"])
def test_in_four_bits_the_adapters_alone_learn_and_are_kept(tmp_path: Path, name: str) -> None:
    folder = checkpoint(BY_NAME[name], tmp_path)
    module = module_of(folder, load_in_4bit=True, lora={"r": 4, "dropout": 0.0})
    rounded = [each for each in module.network.modules() if type(each).__name__ == "Linear4bit"]
    plain = module_of(folder)
    matrices = [each for each in plain.network.base_model.modules() if type(each).__name__ == "Linear"]
    assert len(rounded) >= len(matrices) > 0
    assert all("lora_" in each for each, parameter in module.named_parameters() if parameter.requires_grad)
    assert all("lora_" in each for each in module.state_dict())
    batch = Collate(0)(module.encoder.encode(DIALOGUES))
    exact, before = plain.objective(batch).value, module.objective(batch).value
    assert before == pytest.approx(exact, rel=0.05)
    assert before != exact  # the weights are rounded
    optimizer = torch.optim.SGD([p for p in module.parameters() if p.requires_grad], lr=0.2)
    for _ in range(5):
        module.eval().objective(batch)  # as a validation between two steps, which must change nothing
        optimizer.zero_grad()
        objective = module.train().objective(batch)
        (objective.loss / objective.weight).backward()
        optimizer.step()
    after = module.objective(batch).value
    assert after < before
    other = module_of(folder, load_in_4bit=True, lora={"r": 4, "dropout": 0.0})
    other.load_state_dict(module.state_dict())
    assert other.objective(batch).value == after
    with pytest.raises(RuntimeError, match="lora_"):
        other.load_state_dict(dict(list(module.state_dict().items())[1:]))
    module._device_mesh = {"data_parallel": None}
    with pytest.raises(UserError, match=r"load_in_4bit=true: trainer=fsdp"):
        module.configure_model()
    module.network = module.finished()
    assert not [each for each in module.network.modules() if type(each).__name__ == "Linear4bit"]
    assert module.network.dtype == torch.float32
    assert module.objective(batch).value - exact == pytest.approx(after - before, rel=0.3)


def test_code_of_a_checkpoint_is_never_run_unless_it_is_named(tmp_path: Path) -> None:
    folder = checkpoint(BY_NAME["llama3"], tmp_path)
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoConfig": "evil.Config", "AutoModelForCausalLM": "evil.Model"}
    (folder / "config.json").write_text(json.dumps(config))
    module_of(folder)
    config["model_type"] = "unheard_of"
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match="unheard_of"):
        module_of(folder)
    assert not (tmp_path / "ran").exists()


def with_code(folder: Path, trace: Path) -> Path:
    """A checkpoint of an architecture that only its own code knows; the code leaves a trace when it runs."""
    (folder / "own.py").write_text(f"""
from transformers import LlamaConfig, LlamaForCausalLM
open({str(trace)!r}, "w")
class Config(LlamaConfig):
    model_type = "unheard_of"
class Model(LlamaForCausalLM):
    config_class = Config
""")
    config = json.loads((folder / "config.json").read_text())
    code = {"auto_map": {"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"}}
    (folder / "config.json").write_text(json.dumps({**config, **code, "model_type": "unheard_of"}))
    return folder


@pytest.mark.parametrize("lora", [{"r": 0}, {"r": 2}])
def test_code_of_a_checkpoint_that_is_named_runs_for_training_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, lora: dict[str, int]
) -> None:
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.syspath_prepend(str(tmp_path / "modules"))
    trace = tmp_path / "ran"
    folder = with_code(checkpoint(BY_NAME["llama3"], tmp_path / f"llama{lora['r']}"), trace)
    module = module_of(folder, trust_remote_code=str(folder), lora=lora)
    assert trace.is_file()
    assert "yuhee chat" in caplog.text
    batch = Collate(0)(module.encoder.encode(DIALOGUES))
    assert module.objective(batch).value > 0
    bundle.save_bundle(bundle.Model(module.finished(), module.encoder, module.description()), tmp_path / "bundle", {})
    trace.unlink()
    with pytest.raises(UserError, match=r"unheard_of.*trust_remote_code"):
        bundle.load(tmp_path / "bundle")
    assert not trace.exists()


def test_special_tokens_that_only_the_config_names(tmp_path: Path) -> None:
    folder = checkpoint(BY_NAME["polyglot"], tmp_path)
    (folder / "tokenizer_config.json").unlink()
    assert module_of(folder).encoder.template.end == "<|endoftext|>"
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "eos_token_id": None}))
    with pytest.raises(UserError, match="eos_token"):
        module_of(folder)


def test_templates_in_either_file_and_among_others(tmp_path: Path) -> None:
    case = BY_NAME["llama3"]
    folder = checkpoint(case, tmp_path)
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    templates = [{"name": "tool_use", "template": "{{ 1/0 }}"}, {"name": "default", "template": case.template}]
    (folder / "tokenizer_config.json").write_text(json.dumps({**settings, "chat_template": templates}))
    assert module_of(folder).encoder.template.source == case.template
    (folder / "chat_template.jinja").write_text("{{ raise_exception('이건 안 돼') }}")
    with pytest.raises(UserError, match="이건 안 돼"):
        module_of(folder)


@pytest.mark.parametrize("name", ["tokenizer_config.json", "tokenizer.json"])
def test_a_damaged_file_is_one_sentence(tmp_path: Path, name: str) -> None:
    folder = checkpoint(BY_NAME["llama3"], tmp_path)
    (folder / name).write_text("{")
    with pytest.raises(UserError, match=name):
        module_of(folder)


def test_a_length_beyond_the_positions_of_a_nested_text_config_is_refused(tmp_path: Path) -> None:
    folder = checkpoint(BY_NAME["gemma3"], tmp_path)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "max_position_embeddings": 100}))
    with pytest.raises(UserError, match=r"data\.max_length=400.*100 토큰"):
        module_of(folder)
