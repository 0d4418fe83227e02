"""How long an input a network takes."""

from torch import nn
from transformers import PreTrainedModel

from yuhee.errors import UserError

UNBOUNDED = 1_000_000  # tokens, for networks that count no positions


def longest_input(network: PreTrainedModel) -> int:
    """Tokens that a network reads at a time.

    RoBERTa's positions begin behind its padding id, so that it takes fewer than `max_position_embeddings`.
    """
    limit = int(getattr(network.config.get_text_config(), "max_position_embeddings", None) or UNBOUNDED)
    for name, module in network.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding) and module.padding_idx is not None:
            return limit - module.padding_idx - 1
    return limit


def check_length(network: PreTrainedModel, max_length: int) -> None:
    """Refuse examples that are longer than what a network reads.

    Raises:
        UserError: with both numbers.
    """
    limit = longest_input(network)
    if max_length > limit:
        raise UserError(
            f"data.max_length={max_length}: 이 모델은 {limit} 토큰까지만 읽습니다. data.max_length를 줄여 주세요."
        )
