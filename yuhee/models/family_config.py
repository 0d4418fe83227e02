"""What `conf/model/*.yaml` may say of any family."""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from yuhee.data.config import Section


class FamilyConfig(Section):
    """Keys of `model.*` that every family has.

    Attributes:
        name: of the model, for cards and reports.
        pretrained: hub id or folder of the checkpoint to start from.
        tokenizer: hub id, folder or file; by default where `pretrained` is.
        from_scratch: random weights in the shape of `network`.
        vocab_size: of the tokenizer trained on the training split where none is given, in tokens.
        network: `model_type` and values of its `transformers` config, for a model from scratch.
        lr: peak learning rate.
        warmup_ratio: share of the optimizer steps.
        schedule: what follows the warm-up: a half cosine to zero, or the peak rate to the end.
        gradient_checkpointing: compute each layer's activations twice instead of keeping them: less memory, more time.
    """

    target: str = Field(alias="_target_")
    name: str
    pretrained: str | None = None
    tokenizer: str | None = None
    from_scratch: bool = False
    vocab_size: int | None = Field(None, ge=300)
    network: dict[str, Any] = Field(default_factory=dict)
    lr: float = Field(gt=0)
    weight_decay: float = Field(0.01, ge=0)
    warmup_ratio: float = Field(0.1, ge=0, le=1)
    schedule: Literal["cosine", "constant"] = "cosine"
    gradient_checkpointing: bool = False

    @model_validator(mode="after")
    def _has_a_source(self) -> Self:
        if not self.from_scratch and self.pretrained is None:
            raise ValueError("model.pretrained에 체크포인트를 주거나 model.from_scratch=true로 두세요")
        if not (self.tokenizer or self.pretrained or self.vocab_size):
            raise ValueError("model.tokenizer에 토크나이저를 주거나 model.vocab_size로 새로 학습하세요")
        return self
