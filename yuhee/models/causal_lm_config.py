"""What `conf/model/*.yaml` may say of a causal language model."""

from pydantic import Field

from yuhee.models.family_config import FamilyConfig


class CausalLMConfig(FamilyConfig):
    """Keys of `model.*`.

    Attributes:
        context_loss_weight: of a token of the user's words; a reply's token weighs 1.
        token_dropout: share of the words' tokens that the model reads as `<mask>` in training, while it still has to
            predict them: smoothing for small corpora (Xie et al. 2017, "Data noising as smoothing").
        compile: the transformer with `torch.compile` for training; minutes of waiting at the first step.
    """

    name: str = "causal_lm"
    context_loss_weight: float = Field(0.0, ge=0)
    token_dropout: float = Field(0.0, ge=0, lt=1)
    compile: bool = False
