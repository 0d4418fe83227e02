"""BART's pre-training on plain text, from which a model of replies starts."""

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from pydantic import Field
from transformers import PreTrainedModel

from yuhee.data.config import DataConfig
from yuhee.data.encoding.denoising import DenoisingEncoder, TextBatch
from yuhee.data.encoding.markers import MASK
from yuhee.data.encoding.seq2seq_example import Seq2SeqBatch
from yuhee.data.splits import Split
from yuhee.models.family import Objective
from yuhee.models.kobart import KoBART, KoBARTConfig, bart_tokenizer
from yuhee.models.metrics import ReplyTotals
from yuhee.models.text_noise import TextNoise


class DenoisingConfig(KoBARTConfig):
    """Keys of `model.*`.

    Attributes:
        mask_share: of a text's tokens that are hidden.
        mask_span: mean length of what a mask hides, in tokens.
    """

    name: str = "denoising"
    mask_share: float = Field(0.3, gt=0, lt=0.5)
    mask_span: float = Field(3.0, gt=0)


class Denoising(KoBART):
    """A network that restores texts; figures count every token of them.

    Noise is drawn anew whenever a text is learned from, and once and for all where it is evaluated.
    """

    Config = DenoisingConfig
    family = "denoising"
    starts = "kobart"
    encoder: DenoisingEncoder

    def __init__(
        self, network: PreTrainedModel, encoder: DenoisingEncoder, config: DenoisingConfig, facts: dict[str, Any]
    ) -> None:
        super().__init__(network, encoder, config, facts)
        self.noise = TextNoise(encoder.markers[MASK], encoder.newline_id, config.mask_share, config.mask_span)

    @staticmethod
    def make_encoder(config: DenoisingConfig, data: DataConfig, split: Split) -> DenoisingEncoder:  # type: ignore[override]
        """The encoder, with the checkpoint's tokenizer or one trained on the training split."""
        return DenoisingEncoder(
            bart_tokenizer(config, split), max_length=data.max_length, punctuation=data.normalize.punctuation
        )

    def objective(self, batch: TextBatch) -> Objective:  # type: ignore[override]
        # Lightning's own random state decides, which a checkpoint keeps: a resumed run draws what an unbroken one would
        return super().objective(self._noised(batch, torch.randint(2**62, (len(batch["texts"]),)).tolist()))

    def evaluated(self, batch: TextBatch) -> ReplyTotals:  # type: ignore[override]
        return super().evaluated(self._noised(batch, map(_own_seed, batch["texts"])))

    def _noised(self, batch: TextBatch, seeds: Iterable[int]) -> Seq2SeqBatch:
        texts = batch["texts"]
        noised = [
            self.noise(text.input_ids, np.random.default_rng(seed)) for text, seed in zip(texts, seeds, strict=True)
        ]
        made: Any = self.encoder.with_noise(texts, noised)
        return {name: value.to(self.device) if torch.is_tensor(value) else value for name, value in made.items()}  # type: ignore[return-value]


def _own_seed(text: Any) -> int:
    """The seed that a text decides for itself, whatever stands beside it in a batch."""
    ids = np.asarray(text.input_ids, dtype=np.int64)
    return int.from_bytes(hashlib.blake2b(ids.tobytes(), digest_size=8).digest())
