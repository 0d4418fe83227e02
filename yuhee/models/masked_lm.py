"""Masked language models: BERT's task on plain text, as pre-training for a classifier."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F
from transformers import PreTrainedModel

from yuhee.data.config import DataConfig
from yuhee.data.encoding.masked_text import MaskedTextEncoder, TextBatch
from yuhee.data.encoding.special_tokens import SpecialTokens
from yuhee.data.encoding.tokenizer import train_tokenizer
from yuhee.data.splits import Split
from yuhee.errors import UserError
from yuhee.models.family import Family, Objective
from yuhee.models.family_config import FamilyConfig
from yuhee.models.losses import IGNORE
from yuhee.models.positions import longest_input
from yuhee.models.pretrained import check_checkpoint, check_vocabulary, load_network, load_tokenizer
from yuhee.models.random_network import random_network

AS_MASK, AS_IS = 0.8, 0.9  # below: the mask token, from here on: the token itself, between: any other word


class MaskedLMConfig(FamilyConfig):
    """Keys of `model.*`.

    Attributes:
        mask_share: of the words' tokens, that are to be guessed.
    """

    name: str = "masked_lm"
    mask_share: float = Field(0.15, gt=0, lt=1)


@dataclass(slots=True)
class MaskedTotals:
    """Sums over masked tokens.

    Attributes:
        nll: in nats.
        tokens: how many were masked.
        right: guessed as the likeliest.
    """

    nll: float = 0.0
    tokens: float = 0.0
    right: float = 0.0

    def __iadd__(self, other: "MaskedTotals") -> "MaskedTotals":
        self.nll, self.tokens, self.right = (a + b for a, b in zip(astuple(self), astuple(other), strict=True))
        return self

    def as_list(self) -> list[float]:
        return list(astuple(self))

    def from_list(self, values: Sequence[float]) -> "MaskedTotals":
        return MaskedTotals(*values)

    def figures(self, prefix: str) -> dict[str, float]:
        """`{prefix}/loss` in nats per masked token, `{prefix}/ppl`, and `{prefix}/accuracy` from 0 to 1."""
        loss = self.nll / self.tokens if self.tokens else math.nan
        right = self.right / self.tokens if self.tokens else math.nan
        return {f"{prefix}/loss": loss, f"{prefix}/ppl": math.exp(min(loss, 700.0)), f"{prefix}/accuracy": right}


class Masking:
    """Hides words of a text: 80 % of the chosen ones behind the mask token, 10 % behind another word, 10 % not at all.

    Devlin et al. 2019, "BERT"; drawn anew whenever a text is seen, as in Liu et al. 2019, "RoBERTa".

    Args:
        special: tokens that are never chosen.
        vocab_size: highest id, plus one.
        share: of the words' tokens that are chosen.
    """

    def __init__(self, special: SpecialTokens, vocab_size: int, share: float) -> None:
        self.mask_id = special["mask_token"]
        self.share = share
        is_word = torch.ones(vocab_size, dtype=torch.bool)
        is_word[list(special.ids.values())] = False
        self.is_word = is_word
        self.words = is_word.nonzero()[:, 0]

    def __call__(self, ids: Tensor, draws: Tensor) -> tuple[Tensor, Tensor]:
        """Hide words.

        Args:
            ids: (batch, length).
            draws: (3, batch, length) uniform in [0, 1): whether a token is chosen, how it is hidden, by which word.

        Returns:
            (batch, length) what the network reads, and what it has to guess, −100 where nothing.
        """
        chosen = self.is_word.to(ids.device)[ids] & (draws[0] < self.share)
        others = self.words.to(ids.device)[(draws[2] * len(self.words)).long().clamp(max=len(self.words) - 1)]
        hidden = ids.masked_fill(chosen & (draws[1] < AS_MASK), self.mask_id)
        hidden = torch.where(chosen & (draws[1] >= AS_MASK) & (draws[1] < AS_IS), others, hidden)
        return hidden, ids.masked_fill(~chosen, IGNORE)


def fixed_draws(ids: Tensor, attention_mask: Tensor) -> Tensor:
    """(3, batch, length) draws that each text decides for itself, whatever stands beside it in the batch."""
    draws = torch.zeros(3, *ids.shape)
    for row, (text, length) in enumerate(zip(ids.cpu(), attention_mask.sum(1).tolist(), strict=True)):
        seed = hashlib.blake2b(text[:length].numpy().tobytes(), digest_size=8).digest()
        random = np.random.default_rng(int.from_bytes(seed))
        draws[:, row, :length] = torch.from_numpy(random.random((3, length), dtype=np.float32))
    return draws.to(ids.device)


class MaskedLM(Family):
    """A network that guesses hidden words, all texts' words weighing the same."""

    Config = MaskedLMConfig
    family = "masked_lm"
    starts = "emotion_roberta"
    optimizable = ("val/loss", "val/ppl", "train/objective", "train/loss", "train/ppl")
    encoder: MaskedTextEncoder

    def __init__(
        self, network: PreTrainedModel, encoder: MaskedTextEncoder, config: MaskedLMConfig, facts: dict[str, Any]
    ) -> None:
        super().__init__(network, encoder, config, facts)
        self.masking = Masking(encoder.special, encoder.special_ids()["vocab_size"], config.mask_share)

    def new_totals(self) -> MaskedTotals:
        return MaskedTotals()

    @staticmethod
    def make_encoder(config: MaskedLMConfig, data: DataConfig, split: Split) -> MaskedTextEncoder:
        """The encoder for this model, with the checkpoint's tokenizer or one trained on the training split.

        Raises:
            UserError: no mask token, or a setting of models that write replies.
        """
        if data.history is not None:  # which would show a turn again and again
            raise UserError(
                f"data.history={data.history}: 글을 익히는 모델은 차례를 하나씩 읽습니다. 이 설정을 빼 주세요."
            )
        check_checkpoint(config, MaskedTextEncoder.network)
        place = config.tokenizer or config.pretrained
        if place is not None:
            tokenizer = load_tokenizer(place, "model.tokenizer" if config.tokenizer else "model.pretrained")
        else:
            texts = (turn.text for dialogue in split.train for turn in dialogue.turns)
            tokenizer = train_tokenizer(texts, config.vocab_size or 0)
        return MaskedTextEncoder(tokenizer, max_length=data.max_length)

    @classmethod
    def create(cls, config: MaskedLMConfig, encoder: MaskedTextEncoder, facts: dict[str, Any]) -> "MaskedLM":
        """Load or initialise the network.

        Raises:
            UserError: the checkpoint cannot be read, or does not fit the tokenizer or `data.max_length`.
        """
        if config.from_scratch:
            network = random_network(
                encoder.network, {"model_type": "roberta", **config.network}, encoder.special_ids()
            )
        else:
            network = load_network(config.pretrained or "", "model.pretrained", encoder.network)
            check_vocabulary(network, encoder.special_ids()["vocab_size"], "model.tokenizer")
        if encoder.max_length > (limit := longest_input(network)):
            raise UserError(
                f"data.max_length={encoder.max_length}: 이 모델은 {limit} 토큰까지만 읽습니다. data.max_length를 줄여 주세요."
            )
        return cls(network, encoder, config, facts)

    def objective(self, batch: TextBatch) -> Objective:
        ids = batch["input_ids"]
        # Lightning's own random state decides, which a checkpoint keeps: a resumed run draws what an unbroken one would
        loss, totals = self._guess(batch, torch.rand(3, *ids.shape, device=ids.device))
        return Objective(loss, totals.nll, totals.tokens, totals)

    def evaluated(self, batch: TextBatch) -> MaskedTotals:
        return self._guess(batch, fixed_draws(batch["input_ids"], batch["attention_mask"]))[1]

    def _guess(self, batch: TextBatch, draws: Tensor) -> tuple[Tensor, MaskedTotals]:
        """() summed nats of the hidden words, and the same with their number as sums."""
        hidden, labels = self.masking(batch["input_ids"], draws)
        logits = self.network(input_ids=hidden, attention_mask=batch["attention_mask"]).logits
        is_hidden = labels != IGNORE
        logits, words = logits[is_hidden].float(), labels[is_hidden]
        loss = F.cross_entropy(logits, words, reduction="sum")
        right = (logits.detach().argmax(1) == words).sum()
        return loss, MaskedTotals(loss.item(), float(len(words)), right.item())
