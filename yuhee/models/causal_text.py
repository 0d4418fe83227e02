"""Causal pre-training on plain text, from which a model of replies starts."""

from typing import Any

from yuhee.data.config import DataConfig
from yuhee.data.encoding.causal_text import CausalTextEncoder
from yuhee.data.splits import Split
from yuhee.models.causal_lm import CausalLM, marker_tokenizer
from yuhee.models.causal_lm_config import CausalLMConfig


class CausalText(CausalLM):
    """A causal language model that learns all that is said; figures count every token."""

    family = "causal_text"
    starts = "tiny model.from_scratch=false"
    encoder: Any

    @staticmethod
    def make_encoder(config: CausalLMConfig, data: DataConfig, split: Split) -> CausalTextEncoder:  # type: ignore[override]
        """The encoder, with the checkpoint's tokenizer or one trained on the training split."""
        return CausalTextEncoder(
            marker_tokenizer(config, split),
            max_length=data.max_length,
            emotion="none",
            punctuation=data.normalize.punctuation,
        )
