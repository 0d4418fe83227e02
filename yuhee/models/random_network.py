"""Networks with random weights, for models from scratch."""

from collections.abc import Mapping
from typing import Any

import transformers
from transformers import AutoConfig, PreTrainedModel

from yuhee.errors import UserError


def random_network(auto: str, values: dict[str, Any], ids: Mapping[str, Any]) -> PreTrainedModel:
    """A network with random weights for an encoder's vocabulary.

    Args:
        auto: the class of `transformers` that makes it, such as `AutoModelForCausalLM`.
        values: `model_type` and values of its config.
        ids: `special_ids` of the encoder, and whatever else the family decides.

    Raises:
        UserError: an unknown or impossible value in `model.network`.
    """
    try:
        known = AutoConfig.for_model(values["model_type"])
        if unknown := [name for name in values if not hasattr(known, name)]:
            raise UserError(
                f"model.network.{unknown[0]}: {values['model_type']} 설정에 없는 이름입니다. "
                f"transformers의 {type(known).__name__}에 있는 이름을 쓰세요."
            )
        network: PreTrainedModel = getattr(transformers, auto).from_config(AutoConfig.for_model(**{**values, **ids}))
    except (ValueError, TypeError, RuntimeError, AttributeError) as error:
        reason = str(error).strip().split("\n")[0][:160]
        raise UserError(f"model.network: 이 값으로는 모델을 만들 수 없습니다({reason}).") from None
    return network
