"""Causal language models (KoGPT2, the same architecture from scratch) that learn the replies of dialogues."""

from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor
from transformers import PreTrainedModel

from yuhee.data.config import DataConfig
from yuhee.data.encoding.causal_lm import CausalLMEncoder
from yuhee.data.encoding.markers import MASK
from yuhee.data.encoding.reply_example import Batch
from yuhee.data.encoding.tokenizer import train_tokenizer
from yuhee.data.splits import Split
from yuhee.errors import UserError
from yuhee.models.causal_lm_config import CausalLMConfig
from yuhee.models.family import Family, Objective
from yuhee.models.faster_layers import use_faster_layers
from yuhee.models.likelihood import nll_of_logits, projects_plainly, reply_nll
from yuhee.models.losses import IGNORE, weighted_nll, with_context
from yuhee.models.metrics import ReplyTotals
from yuhee.models.positions import check_length
from yuhee.models.pretrained import check_checkpoint, check_vocabulary, load_network, load_tokenizer
from yuhee.models.random_network import random_network
from yuhee.models.tied import embed_and_project


class CausalLM(Family):
    """A causal language model with a masked mean loss over replies; figures count replies only."""

    Config = CausalLMConfig
    family = "causal_lm"
    encoder: CausalLMEncoder

    def __init__(
        self, network: PreTrainedModel, encoder: CausalLMEncoder, config: CausalLMConfig, facts: dict[str, Any]
    ) -> None:
        super().__init__(network, encoder, config, facts)
        if config.compile:
            self._states = torch.compile(self._states, dynamic=True)  # type: ignore[method-assign]

    def new_totals(self) -> ReplyTotals:
        return ReplyTotals()

    @staticmethod
    def make_encoder(config: CausalLMConfig, data: DataConfig, split: Split) -> CausalLMEncoder:
        """The encoder for this model, with the checkpoint's tokenizer or one trained on the training split."""
        return CausalLMEncoder(
            marker_tokenizer(config, split),
            max_length=data.max_length,
            emotion=data.emotion,
            punctuation=data.normalize.punctuation,
        )

    @classmethod
    def create(cls, config: CausalLMConfig, encoder: CausalLMEncoder, facts: dict[str, Any]) -> "CausalLM":
        """Load or initialise the network.

        Raises:
            UserError: the checkpoint cannot be read, or does not fit the tokenizer or `data.max_length`.
        """
        if config.from_scratch:
            network = random_network(encoder.network, {"model_type": "gpt2", **config.network}, encoder.special_ids())
        else:
            network = load_network(config.pretrained or "", "model.pretrained", encoder.network)
            check_vocabulary(network, encoder.special_ids()["vocab_size"], "model.tokenizer")
        check_length(network, encoder.max_length)
        if config.token_dropout and MASK not in encoder.markers.control:
            raise UserError(
                f"model.token_dropout={config.token_dropout}: 토크나이저에 {MASK}가 없습니다. 0으로 두세요."
            )
        return cls(network, encoder, config, facts)

    def on_fit_start(self) -> None:
        use_faster_layers(self.network)
        data = getattr(self.trainer, "datamodule", None)
        if getattr(data, "packing", False) and not self._separates_packed():
            raise UserError(
                "data.packing=true: 이 모델은 한 줄에 이어 놓은 대화들을 따로 읽지 못합니다. data.packing=false로 두세요."
            )

    def forward(self, input_ids: Tensor, position_ids: Tensor | None = None) -> Tensor:
        """(batch, length) ids, padded on the right → (batch, length, width) last states.

        No attention mask: a causal model never looks right, so padding cannot reach a real token. Where
        `position_ids` restart, `transformers` keeps what comes before out of sight.
        """
        return self._states(self.network.get_input_embeddings()(input_ids), position_ids)

    def objective(self, batch: Batch) -> Objective:
        loss, nll, is_reply = self._objective(batch)
        sums = torch.stack([loss.detach(), (nll * is_reply).sum(), is_reply.sum()])
        value, reply_nll, replies = sums.tolist()
        weight = replies + self.config.context_loss_weight * (len(nll) - replies)
        return Objective(loss, value, weight, _totals(reply_nll, replies, batch))

    def evaluated(self, batch: Batch) -> ReplyTotals:
        nll = reply_nll(self.network, batch)
        return _totals(nll.sum().item(), len(nll), batch)

    def _objective(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """() summed weighted NLL; (n,) NLL of each learned token in nats, (n,) bool: is it a reply's."""
        share = self.config.context_loss_weight
        context_labels = batch["context_labels"] if share else torch.full_like(batch["labels"], IGNORE)
        labels, is_reply = with_context(batch["labels"], context_labels)
        weights = torch.where(is_reply, 1.0, share)
        if not projects_plainly(self.network):
            packed = {"position_ids": batch["position_ids"]} if "position_ids" in batch else {}
            nll = nll_of_logits(self.network, self._noised(batch), labels, **packed)
            return (nll * weights).sum(), nll.detach(), is_reply
        embedded, projection = embed_and_project(self.network, self._noised(batch))
        bias = self.network.get_output_embeddings().bias
        states = self._states(embedded, batch.get("position_ids"))
        return *weighted_nll(states, labels, weights, projection, bias), is_reply

    def _states(self, embedded: Tensor, position_ids: Tensor | None) -> Tensor:
        """(batch, length, width) embedded ids → last states, see `forward`."""
        packed = {} if position_ids is None else {"position_ids": position_ids}
        states: Tensor = self.network.base_model(inputs_embeds=embedded, use_cache=False, **packed).last_hidden_state
        return states

    @torch.no_grad()
    def _separates_packed(self) -> bool:
        """Whether the second of two equal dialogues in a row is read as if the first were not there."""
        dialogue = [self.encoder.end_id, self.encoder.special_ids()["pad_token_id"]]
        row = torch.tensor([2 * dialogue], device=self.device)
        try:
            self.network.eval()
            first, second = self(row, torch.tensor([[0, 1, 0, 1]], device=self.device)).chunk(2, dim=1)
        except TypeError:  # a network that takes no positions
            return False
        finally:
            self.network.train()
        return bool((first - second).abs().max() < 1e-3 * first.abs().max())

    def _noised(self, batch: Batch) -> Tensor:
        """(batch, length) input ids, in training with some of the words masked."""
        ids = batch["input_ids"]
        if not self.training or not self.config.token_dropout:
            return ids
        is_word = (batch["labels"] != IGNORE) | (batch["context_labels"] != IGNORE)
        is_word &= ids != self.encoder.end_id
        dropped = torch.rand(ids.shape, device=ids.device) < self.config.token_dropout
        return ids.masked_fill(is_word & dropped, self.encoder.markers[MASK])


def marker_tokenizer(config: CausalLMConfig, split: Split) -> Tokenizer:
    """The checkpoint's tokenizer, or one trained on the training split."""
    check_checkpoint(config, CausalLMEncoder.network)
    place = config.tokenizer or config.pretrained
    if place is not None:
        return load_tokenizer(place, "model.tokenizer" if config.tokenizer else "model.pretrained")
    texts = (turn.text for dialogue in split.train for turn in dialogue.turns)
    return train_tokenizer(texts, config.vocab_size or 0)


def _totals(nll: float, tokens: int, batch: Batch) -> ReplyTotals:
    return ReplyTotals(nll, tokens, float(batch["characters"].sum()), float(batch["lost"].sum()))
