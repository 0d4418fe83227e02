"""Which checkpoints a family takes, told from `config.json` alone."""

from pathlib import Path

import pytest
from transformers import BartConfig, PretrainedConfig, RobertaConfig

from yuhee.errors import UserError
from yuhee.models.pretrained import load_network


@pytest.mark.parametrize(
    ("config", "auto"),
    [
        (RobertaConfig(), "AutoModelForCausalLM"),  # it would see the reply it is to write
        (BartConfig(), "AutoModelForCausalLM"),
        (BartConfig(), "AutoModelForSequenceClassification"),
        (BartConfig(), "AutoModelForMaskedLM"),
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
