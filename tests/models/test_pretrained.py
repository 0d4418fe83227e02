"""Which checkpoints a family takes, told from `config.json` alone."""

import json
from pathlib import Path

import pytest
from transformers import BartConfig, GPT2Config, LlamaConfig, PretrainedConfig, RobertaConfig

from tests.training.sweep_corpus import write_corpus
from yuhee.errors import UserError
from yuhee.models.pretrained import load_network
from yuhee.training import compose_config, parse_config, train


@pytest.mark.parametrize(
    ("config", "auto"),
    [
        (RobertaConfig(), "AutoModelForCausalLM"),  # it would see the reply it is to write
        (BartConfig(), "AutoModelForCausalLM"),
        (BartConfig(), "AutoModelForSequenceClassification"),
        (BartConfig(), "AutoModelForMaskedLM"),
        (GPT2Config(), "AutoModelForSequenceClassification"),
    ],
)
def test_what_transformers_would_build_but_reads_otherwise_is_refused(
    config: PretrainedConfig, auto: str, tmp_path: Path
) -> None:
    config.save_pretrained(tmp_path)
    with pytest.raises(UserError, match=rf"{config.model_type}은\(는\) .*이 아닙니다"):
        load_network(str(tmp_path), "model.pretrained", auto)


def test_a_bert_that_was_made_a_decoder_writes(tmp_path: Path) -> None:
    RobertaConfig(is_decoder=True).save_pretrained(tmp_path)
    with pytest.raises(UserError) as error:
        load_network(str(tmp_path), "model.pretrained", "AutoModelForCausalLM")
    assert "이 아닙니다" not in str(error.value)  # its weights are what is missing


@pytest.mark.parametrize(
    ("config", "model", "kind"),
    [
        (RobertaConfig(), "causal_lm", "roberta"),
        (BartConfig(), "causal_lm", "bart"),
        (RobertaConfig(), "kogpt2", "roberta"),
        (LlamaConfig(), "emotion_roberta", "llama"),
        (GPT2Config(), "emotion_roberta", "gpt2"),
        (RobertaConfig(), "kobart", "roberta"),
    ],
)
def test_another_family_is_told_before_its_tokenizer_is_looked_at(
    config: PretrainedConfig, model: str, kind: str, tmp_path: Path
) -> None:
    write_corpus(Path())
    config.save_pretrained(tmp_path / "checkpoint")  # a tokenizer is what it has not
    asked = (f"model={model}", f"model.pretrained={tmp_path / 'checkpoint'}", "data=songys", "data.path=corpus.csv")
    with pytest.raises(UserError, match=rf"{kind}은\(는\) .*이 아닙니다"):
        train(parse_config(compose_config([*asked, "data.privacy=public"])), Path("run"))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"attn_implementation": "evil/kernel"}, "attn_implementation.*허브의 코드"),
        ({"_attn_implementation": "evil/kernel"}, "_attn_implementation.*허브의 코드"),
        ({"model_type": "myllm", "auto_map": {"AutoConfig": "own.Config"}}, r"model\.trust_remote_code=.*checkpoint"),
    ],
)
def test_what_would_run_somebodys_code_is_refused(change: dict[str, object], told: str, tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"
    GPT2Config().save_pretrained(folder)
    values = json.loads((folder / "config.json").read_text()) | change
    (folder / "config.json").write_text(json.dumps(values))
    with pytest.raises(UserError, match=told):
        load_network(str(folder), "model.pretrained", "AutoModelForCausalLM")


def test_a_configuration_that_is_no_object_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("[]")
    with pytest.raises(UserError, match="손상되었습니다"):
        load_network(str(tmp_path), "model.pretrained", "AutoModelForCausalLM")


def test_the_folder_of_a_run_points_at_its_bundle(tmp_path: Path) -> None:
    GPT2Config().save_pretrained(tmp_path / "bundle")
    with pytest.raises(UserError, match=r"config\.json이 없습니다.*bundle 에 있습니다"):
        load_network(str(tmp_path), "model.pretrained", "AutoModelForCausalLM")


@pytest.mark.parametrize("model", ["tiny", "causal_text", "denoising", "masked_lm"])
def test_a_checkpoint_that_a_model_from_scratch_would_ignore_is_refused(model: str) -> None:
    asked = [f"model={model}", "data=sample", "model.pretrained=some/checkpoint"]
    if model != "tiny":
        asked.append(f"optimized_metric={'val/loss' if model == 'masked_lm' else 'val/bpc'}")
    with pytest.raises(
        UserError, match=r"model\.pretrained=some/checkpoint: model\.from_scratch=true라 쓰이지 않습니다"
    ):
        compose_config(asked)
    assert compose_config([*asked, "model.from_scratch=false"]).model.pretrained == "some/checkpoint"
    assert compose_config(
        ["model=kogpt2", "model.from_scratch=true"]
    ).model.from_scratch  # its default is nobody's wish
