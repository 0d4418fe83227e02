"""What `conf/model/causal_lm.yaml` may say."""

from typing import ClassVar, Self

from pydantic import Field, model_validator

from yuhee.data.config import Section
from yuhee.models.family_config import FamilyConfig


class LoraSection(Section):
    """Keys of `model.lora.*`: small matrices are trained in place of the checkpoint's own (Hu et al. 2021).

    Attributes:
        r: their rank; 0 trains all weights.
        alpha: their product counts `alpha / r` times.
        dropout: of what goes into them.
        target: names of the layers, or `all-linear` for all but the projection onto the vocabulary.
    """

    r: int = Field(0, ge=0)
    alpha: float = Field(32.0, gt=0)
    dropout: float = Field(0.05, ge=0, lt=1)
    target: str | list[str] = "all-linear"


class ChatLMConfig(FamilyConfig):
    """Keys of `model.*`.

    Attributes:
        system: what every conversation without a setting of its own begins with; null for the template's own.
        lora: train small matrices only.
        load_in_4bit: keep the checkpoint's weights in four bits; needs `lora.r` and bitsandbytes.
        trust_remote_code: the very id or folder of `pretrained`, to run the code that it brings.
    """

    context_loss_weight: ClassVar[float] = 0.0  # only replies are learned
    token_dropout: ClassVar[float] = 0.0
    compile: ClassVar[bool] = False

    name: str = "causal_lm"
    system: str | None = None
    lora: LoraSection = LoraSection()
    load_in_4bit: bool = False
    trust_remote_code: str | bool | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.trust_remote_code not in (None, False, self.pretrained):
            raise ValueError(
                "model.trust_remote_code: model.pretrained와 똑같은 이름을 적어야 그 체크포인트의 코드를 돌립니다"
            )
        if self.load_in_4bit and (not self.lora.r or self.from_scratch):
            raise ValueError(
                "model.load_in_4bit=true: 4비트 가중치는 배우지 못하니 model.lora.r=16처럼 LoRA와 함께 쓰세요"
            )
        return self
