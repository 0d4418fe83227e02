"""Encoder-decoder networks (KoBART, the same architecture from scratch) that learn the replies of dialogues."""

from typing import Any, Self

import torch
from pydantic import Field
from tokenizers import Tokenizer
from torch import Tensor
from transformers import PreTrainedModel

from yuhee.data.config import DataConfig
from yuhee.data.encoding.seq2seq import BARTEncoder, Seq2SeqEncoder
from yuhee.data.encoding.seq2seq_example import Seq2SeqBatch
from yuhee.data.encoding.tokenizer import train_tokenizer
from yuhee.data.splits import Split
from yuhee.models.family import Family, Objective
from yuhee.models.family_config import FamilyConfig
from yuhee.models.likelihood import reply_nll
from yuhee.models.losses import weighted_nll
from yuhee.models.metrics import ReplyTotals
from yuhee.models.positions import check_length
from yuhee.models.pretrained import check_checkpoint, check_vocabulary, load_network, load_tokenizer
from yuhee.models.random_network import random_network
from yuhee.models.tied import projection_matrix


class KoBARTConfig(FamilyConfig):
    """Keys of `model.*`.

    Attributes:
        label_smoothing: share of a token's target that is spread evenly over the vocabulary in training; the figures
            are never smoothed.
    """

    name: str = "kobart"
    label_smoothing: float = Field(0.0, ge=0, lt=1)


class KoBART(Family):
    """An encoder-decoder network with a mean loss over the tokens of the replies."""

    Config = KoBARTConfig
    family = "kobart"
    encoder: Any  # a `BARTEncoder`

    def new_totals(self) -> ReplyTotals:
        return ReplyTotals()

    @staticmethod
    def make_encoder(config: KoBARTConfig, data: DataConfig, split: Split) -> Seq2SeqEncoder:
        """The encoder for this model, with the checkpoint's tokenizer or one trained on the training split."""
        return Seq2SeqEncoder(
            bart_tokenizer(config, split),
            max_length=data.max_length,
            emotion=data.emotion,
            punctuation=data.normalize.punctuation,
        )

    @classmethod
    def create(cls, config: KoBARTConfig, encoder: BARTEncoder, facts: dict[str, Any]) -> Self:
        """Load or initialise the network.

        Raises:
            UserError: the checkpoint cannot be read, or does not fit the tokenizer or `data.max_length`.
        """
        return cls(bart(config, encoder), encoder, config, facts)

    def objective(self, batch: Seq2SeqBatch) -> Objective:
        states = self.network.base_model(
            batch["input_ids"],
            attention_mask=batch["attention_mask"],
            decoder_input_ids=batch["decoder_input_ids"],
            use_cache=False,
        ).last_hidden_state
        loss, nll = self._loss(states, batch["labels"])
        value, nats = torch.stack([loss.detach(), nll.sum()]).tolist()
        return Objective(loss, value, float(len(nll)), _totals(nats, len(nll), batch))

    def evaluated(self, batch: Seq2SeqBatch) -> ReplyTotals:
        nll = reply_nll(self.network, batch)
        return _totals(nll.sum().item(), len(nll), batch)

    def _loss(self, states: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """() summed loss, (n,) unsmoothed NLL of each token in nats."""
        weights = states.new_ones(int((labels[:, 1:] >= 0).sum()), dtype=torch.float32)
        matrix = projection_matrix(self.network, states.device.type)
        return weighted_nll(
            states, labels, weights, matrix, self.network.final_logits_bias[0], self.config.label_smoothing
        )


def bart_tokenizer(config: FamilyConfig, split: Split) -> Tokenizer:
    """The checkpoint's tokenizer, or one trained on the training split.

    Raises:
        UserError: there is none, or it cannot be read.
    """
    check_checkpoint(config, BARTEncoder.network, only="bart")
    if config.tokenizer:
        return load_tokenizer(config.tokenizer, "model.tokenizer")
    if not config.from_scratch:
        return load_tokenizer(config.pretrained or "", "model.pretrained")
    return train_tokenizer((turn.text for dialogue in split.train for turn in dialogue.turns), config.vocab_size or 0)


def bart(config: FamilyConfig, encoder: BARTEncoder) -> PreTrainedModel:
    """A BART with the vocabulary and the special tokens of an encoder, from a checkpoint or with random weights.

    Raises:
        UserError: the checkpoint cannot be read or is no BART, or does not fit the tokenizer or `data.max_length`.
    """
    ids = encoder.special_ids()
    if config.from_scratch:
        network = random_network(encoder.network, {"model_type": "bart", **config.network}, ids)
    else:
        network = load_network(config.pretrained or "", "model.pretrained", encoder.network, only="bart")
        check_vocabulary(network, ids["vocab_size"] - encoder.added, "model.tokenizer")
        if ids["vocab_size"] > network.get_input_embeddings().num_embeddings:
            network.resize_token_embeddings(ids["vocab_size"])
        network.config.update({name: value for name, value in ids.items() if name != "vocab_size"})
    check_length(network, encoder.max_length)
    return network


def _totals(nll: float, tokens: int, batch: Seq2SeqBatch) -> ReplyTotals:
    return ReplyTotals(nll, tokens, float(batch["characters"].sum()), float(batch["lost"].sum()))
