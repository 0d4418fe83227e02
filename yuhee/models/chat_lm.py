"""Any causal language model of `transformers`, in its own chat template: all its weights, or low-rank adapters."""

import logging
from collections.abc import Mapping
from typing import Any

from transformers import PreTrainedModel

from yuhee.data.config import DataConfig
from yuhee.data.encoding.chat_lm import ChatLMEncoder
from yuhee.data.splits import Split
from yuhee.errors import UserError
from yuhee.models.causal_lm import CausalLM
from yuhee.models.chat_files import load_chat, load_vocabulary
from yuhee.models.chat_lm_config import ChatLMConfig
from yuhee.models.four_bits import four_bits, round_alike
from yuhee.models.lora import add_lora, merge_lora
from yuhee.models.positions import check_length
from yuhee.models.pretrained import check_checkpoint, check_vocabulary, load_network
from yuhee.models.random_network import random_network

log = logging.getLogger(__name__)


class ChatLM(CausalLM):
    """A causal language model that learns replies behind the prompts of its own chat template."""

    Config = ChatLMConfig  # type: ignore[assignment]
    family = "chat_lm"
    encoder: ChatLMEncoder  # type: ignore[assignment]
    config: ChatLMConfig

    @staticmethod
    def make_encoder(config: ChatLMConfig, data: DataConfig, split: Split) -> ChatLMEncoder:  # type: ignore[override]
        """The encoder for this model, with the checkpoint's tokenizer and chat template.

        Raises:
            UserError: one of them is missing or cannot be used.
        """
        check_checkpoint(config, ChatLMEncoder.network, trusted=bool(config.trust_remote_code))
        place = config.tokenizer or config.pretrained or ""
        key = "model.tokenizer" if config.tokenizer else "model.pretrained"
        vocabulary = load_vocabulary(place, key)
        try:
            return ChatLMEncoder(
                vocabulary,
                *load_chat(place, key, vocabulary),
                max_length=data.max_length,
                emotion=data.emotion,
                punctuation=data.normalize.punctuation,
                system=config.system or "",
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            raise UserError(
                f"{key}={place}: tokenizer.json이 토크나이저 파일이 아닙니다. {key}를 확인해 주세요."
            ) from None

    @classmethod
    def create(cls, config: ChatLMConfig, encoder: ChatLMEncoder, facts: dict[str, Any]) -> "ChatLM":  # type: ignore[override]
        """Load the network, and put adapters into it if the configuration wants them.

        Raises:
            UserError: the checkpoint cannot be read, or does not fit the tokenizer, `data.max_length` or this machine.
        """
        if config.from_scratch:
            network = random_network(encoder.network, config.network, encoder.special_ids())
        else:
            network = load_network(
                config.pretrained or "",
                "model.pretrained",
                encoder.network,
                trusted=bool(config.trust_remote_code),
                quantisation=four_bits() if config.load_in_4bit else None,
            )
            round_alike(network)
            _warn_of_code(network, config.pretrained or "")
            check_vocabulary(network, encoder.special_ids()["vocab_size"], "model.tokenizer")
        check_length(network, encoder.max_length)
        if config.lora.r:
            add_lora(network, config.lora.model_dump())
        return cls(network, encoder, config, facts)  # type: ignore[arg-type]

    def description(self) -> dict[str, Any]:
        lora = {"lora": self.config.lora.model_dump()} if self.config.lora.r else {}
        alone = {"adapters_alone": True} if self.config.load_in_4bit else {}
        return {**super().description(), **lora, **alone}

    def configure_model(self) -> None:
        if self.device_mesh is not None and self.config.load_in_4bit:
            raise UserError("model.load_in_4bit=true: trainer=fsdp와 함께 쓸 수 없습니다. trainer=ddp나 auto를 쓰세요.")
        super().configure_model()

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]
        """What a checkpoint keeps: beside weights in four bits, which are not learned, the adapters alone."""
        state: dict[str, Any] = super().state_dict(*args, **kwargs)
        if not self.config.load_in_4bit:
            return state
        return {name: value for name, value in state.items() if "lora_" in name}

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        if self.config.load_in_4bit and state_dict.keys() == self.state_dict().keys():
            strict = False
        return super().load_state_dict(state_dict, strict, assign)

    def finished(self) -> PreTrainedModel:
        if self.config.load_in_4bit:
            self.network = self._in_full()
        if self.config.lora.r:
            merge_lora(self.network)
        return super().finished()

    def _in_full(self) -> PreTrainedModel:
        """The checkpoint's own weights, not the rounded ones, with the adapters that were trained beside those."""
        trusted = bool(self.config.trust_remote_code)
        network = load_network(self.config.pretrained or "", "model.pretrained", self.encoder.network, trusted=trusted)
        add_lora(network, self.config.lora.model_dump())
        adapters = {name: value for name, value in self.network.state_dict().items() if "lora_" in name}
        network.load_state_dict(adapters, strict=False)
        return network


def _warn_of_code(network: PreTrainedModel, place: str) -> None:
    if not type(network).__module__.startswith("transformers."):
        log.warning(
            "model.pretrained=%s: 체크포인트가 가져온 코드로 학습합니다. 다 된 모델은 yuhee chat과 yuhee evaluate가 "
            "열지 않으니(모델을 열 때 코드를 돌리지 않습니다) transformers로 여세요.",
            place,
        )
