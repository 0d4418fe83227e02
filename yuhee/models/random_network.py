"""Networks with random weights, for models from scratch."""

from typing import Any

from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from yuhee.data.encoding.causal_lm import CausalLMEncoder
from yuhee.data.encoding.markers import END, PAD
from yuhee.errors import UserError


def random_network(values: dict[str, Any], encoder: CausalLMEncoder) -> PreTrainedModel:
    """A network with random weights for the encoder's vocabulary.

    Args:
        values: `model_type` (a causal language model of `transformers`; gpt2 if absent) and values of its config.

    Raises:
        UserError: an unknown or impossible value in `model.network`.
    """
    values = {"model_type": "gpt2", **values}
    ids = {
        "bos_token_id": encoder.markers[END],
        "eos_token_id": encoder.markers[END],
        "pad_token_id": encoder.markers[PAD],
        "vocab_size": max(encoder.tokenizer.get_vocab().values()) + 1,
    }
    try:
        known = AutoConfig.for_model(values["model_type"])
        if unknown := [name for name in values if not hasattr(known, name)]:
            raise UserError(
                f"model.network.{unknown[0]}: {values['model_type']} 설정에 없는 이름입니다. "
                f"transformers의 {type(known).__name__}에 있는 이름을 쓰세요."
            )
        network: PreTrainedModel = AutoModelForCausalLM.from_config(AutoConfig.for_model(**{**values, **ids}))
    except (ValueError, TypeError, RuntimeError, AttributeError) as error:
        reason = str(error).strip().split("\n")[0][:160]
        raise UserError(f"model.network: 이 값으로는 모델을 만들 수 없습니다({reason}).") from None
    return network
