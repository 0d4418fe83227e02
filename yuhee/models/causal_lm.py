"""Causal language models (KoGPT2, the same architecture from scratch) that learn the replies of dialogues."""

import json
import math
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from transformers import PreTrainedModel

from yuhee.data.batching import Batch
from yuhee.data.config import DataConfig
from yuhee.data.encoding.causal_lm import CausalLMEncoder
from yuhee.data.encoding.markers import MASK, PAD
from yuhee.data.encoding.tokenizer import train_tokenizer
from yuhee.data.splits import Split
from yuhee.errors import UserError
from yuhee.model_card import licence
from yuhee.models.causal_lm_config import CausalLMConfig
from yuhee.models.faster_layers import use_faster_layers
from yuhee.models.losses import IGNORE, next_token_nll, weighted_nll, with_context
from yuhee.models.metrics import ReplyTotals, Step
from yuhee.models.optim import adamw, learning_rates, scale_and_clip
from yuhee.models.pretrained import check_vocabulary, load_causal_lm, load_tokenizer
from yuhee.models.random_network import random_network
from yuhee.models.sharding import shard
from yuhee.models.tied import embed_and_project

CHECKPOINT_FORMAT = "yuhee-checkpoint/1"
# A micro-batch returns a sum over tokens; this keeps it near a mean's size, so that fp16 gradients do not overflow.
_UNIT = 1024.0


class CausalLM(pl.LightningModule):
    """A causal language model with a masked mean loss.

    The loss of an optimizer step is the summed weighted NLL over all ranks and micro-batches of the step, divided
    by their summed weights; a mean of per-rank means would be another objective. Figures count replies only.

    Args:
        network: the `transformers` model.
        encoder: of the dialogues it learns from; saved with it.
        config: learning rate and weights.
        facts: plain values about data and licence that travel with every checkpoint.
    """

    Config = CausalLMConfig
    family = "causal_lm"

    def __init__(
        self, network: PreTrainedModel, encoder: CausalLMEncoder, config: CausalLMConfig, facts: dict[str, Any]
    ) -> None:
        super().__init__()
        self.network = network.train()  # `from_pretrained` returns evaluation mode, without dropout
        if config.gradient_checkpointing:
            network.gradient_checkpointing_enable({"use_reentrant": False})
        if config.compile:
            self._states = torch.compile(self._states, dynamic=True)  # type: ignore[method-assign]
        self.encoder = encoder
        self.config = config
        self.facts = facts
        self.epoch = Step()
        self.step_figures: dict[str, float] = {}
        self._step = Step()
        self._step_ids: list[str] = []
        self._evaluated = ReplyTotals()

    @staticmethod
    def make_encoder(config: CausalLMConfig, data: DataConfig, split: Split) -> CausalLMEncoder:
        """The encoder for this model, with the checkpoint's tokenizer or one trained on the training split."""
        place = config.tokenizer or config.pretrained
        if place is not None:
            tokenizer = load_tokenizer(place, "model.tokenizer" if config.tokenizer else "model.pretrained")
        else:
            texts = (turn.text for dialogue in split.train for turn in dialogue.turns)
            tokenizer = train_tokenizer(texts, config.vocab_size or 0)
        return CausalLMEncoder(
            tokenizer, max_length=data.max_length, emotion=data.emotion, punctuation=data.normalize.punctuation
        )

    @classmethod
    def create(cls, config: CausalLMConfig, encoder: CausalLMEncoder, facts: dict[str, Any]) -> "CausalLM":
        """Load or initialise the network.

        Raises:
            UserError: the checkpoint cannot be read, or does not fit the tokenizer or `data.max_length`.
        """
        if config.from_scratch:
            network = random_network(config.network, encoder)
        else:
            network = load_causal_lm(config.pretrained or "", "model.pretrained")
            check_vocabulary(network, encoder.tokenizer, "model.tokenizer")
        limit = network.config.max_position_embeddings
        if encoder.max_length > limit:
            raise UserError(
                f"data.max_length={encoder.max_length}: 이 모델은 {limit} 토큰까지만 읽습니다. data.max_length를 줄여 주세요."
            )
        if config.token_dropout and MASK not in encoder.markers.control:
            raise UserError(
                f"model.token_dropout={config.token_dropout}: 토크나이저에 {MASK}가 없습니다. 0으로 두세요."
            )
        return cls(network, encoder, config, facts)

    def configure_model(self) -> None:
        if self.device_mesh is not None:  # of `trainer=fsdp` alone
            shard(self, self.network, self.device_mesh["data_parallel"])

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

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        loss, nll, is_reply = self._objective(batch)
        sums = torch.stack([loss.detach(), (nll * is_reply).sum(), is_reply.sum()])
        objective, reply_nll, replies = sums.tolist()
        weight = replies + self.config.context_loss_weight * (len(nll) - replies)
        if not math.isfinite(objective):
            raise self._non_finite("손실", batch["ids"])
        self._step.add(objective, weight, _totals(reply_nll, replies, batch))
        self._step_ids = [*self._step_ids, *batch["ids"]]
        # Lightning divides by the number of micro-batches and DDP by the number of ranks: both are undone here,
        # and `configure_gradient_clipping` divides the gradients by the weight of the whole step.
        return loss * (self.trainer.accumulate_grad_batches * self.trainer.world_size / _UNIT)

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Normalise the step's gradients by its weight over all ranks, and clip their norm, in one pass."""
        step, self._step = self._reduced(self._step), Step()
        by_value = gradient_clip_algorithm == "value"
        scale = _UNIT / max(step.weight, 1.0)
        norm = scale_and_clip(self.parameters(), scale, None if by_value else gradient_clip_val)
        if by_value and gradient_clip_val:
            torch.nn.utils.clip_grad_value_(self.parameters(), gradient_clip_val)
        if not torch.isfinite(norm) and self.trainer.precision != "16-mixed":  # there the scaler skips such a step
            raise self._non_finite("기울기", self._step_ids)
        self._step_ids = []
        self.epoch.add(step.objective, step.weight, step.replies)
        self.step_figures = {
            **step.figures("train"),
            "train/lr": optimizer.param_groups[0]["lr"],
            "train/grad_norm": float(norm),
        }

    def optimizer_step(self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Any = None) -> None:
        super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
        optimizer.zero_grad()  # Lightning would hold the gradients through the next forward pass

    def on_train_epoch_start(self) -> None:
        self.epoch = Step()

    def on_validation_epoch_start(self) -> None:
        self._evaluated = ReplyTotals()

    on_test_epoch_start = on_validation_epoch_start

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        states = self(batch["input_ids"], batch.get("position_ids"))
        nll = next_token_nll(states, batch["labels"], self.network.get_output_embeddings())
        self._evaluated += _totals(nll.sum().item(), len(nll), batch)

    test_step = validation_step

    def on_validation_epoch_end(self) -> None:
        self._log_evaluation("val")

    def on_test_epoch_end(self) -> None:
        self._log_evaluation("test")

    def configure_optimizers(self) -> Any:
        optimizer = adamw(self, self.config.lr, self.config.weight_decay)
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = learning_rates(optimizer, self.config.schedule, round(self.config.warmup_ratio * steps), steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["yuhee"] = self.description()
        checkpoint["epoch_so_far"] = self.epoch.as_list()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        saved = checkpoint.get("yuhee", {})
        if saved.get("tokenizer") != self.encoder.tokenizer.to_str():
            raise UserError(
                "체크포인트의 어휘가 지금 설정의 토크나이저와 다릅니다. 같은 data와 model 설정으로 이어 가거나 새로 시작해 주세요."
            )
        self.epoch = Step.from_list(checkpoint["epoch_so_far"])

    def description(self) -> dict[str, Any]:
        """Plain values from which the model can be built again without configuration or network."""
        return {
            "format": CHECKPOINT_FORMAT,
            "family": self.family,
            "network": json.loads(self.network.config.to_json_string(use_diff=False)),
            "tokenizer": self.encoder.tokenizer.to_str(),
            "encoder": self.encoder.settings,
            "licence": licence(self.facts.get("pretrained"), self.network.config),
            **self.facts,
        }

    def _objective(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """() summed weighted NLL; (n,) NLL of each learned token in nats, (n,) bool: is it a reply's."""
        share = self.config.context_loss_weight
        context_labels = batch["context_labels"] if share else torch.full_like(batch["labels"], IGNORE)
        labels, is_reply = with_context(batch["labels"], context_labels)
        weights = torch.where(is_reply, 1.0, share)
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
        dialogue = [self.encoder.end_id, self.encoder.markers[PAD]]
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

    def _log_evaluation(self, split: str) -> None:
        figures = self._reduced(Step(replies=self._evaluated)).replies.figures(split)
        # Lightning's own step for loggers drifts after a resume
        self.log_dict(figures, prog_bar=split == "val", logger=False)
        for logger in self.trainer.loggers:
            logger.log_metrics({"epoch": self.trainer.current_epoch, **figures}, self.trainer.global_step)

    def _reduced(self, step: Step) -> Step:
        """Sums over all ranks."""
        if self.trainer.world_size == 1:
            return step
        sums = torch.tensor(step.as_list(), dtype=torch.float32, device=self.device)
        return Step.from_list(self.trainer.strategy.reduce(sums, reduce_op="sum").tolist())

    def _non_finite(self, what: str, ids: list[str]) -> UserError:
        shown = ", ".join(ids[:5]) + (" …" if len(ids) > 5 else "")
        return UserError(
            f"{self.trainer.global_step + 1}번째 스텝에서 {what}이(가) 유한하지 않아 멈췄습니다(대화 {shown}). "
            f"마지막 체크포인트는 그대로입니다. model.lr를 낮추거나(지금 {self.config.lr:g}) precision=32-true로 다시 해 보세요."
        )


def _totals(nll: float, tokens: int, batch: Batch) -> ReplyTotals:
    return ReplyTotals(nll, tokens, float(batch["characters"].sum()), float(batch["lost"].sum()))
