"""What the LightningModules of all families share: the loss of an optimizer step, its schedule, and their checkpoints."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import pytorch_lightning as pl
import torch
from torch import Tensor
from transformers import PreTrainedModel

from yuhee.data.config import Section
from yuhee.data.encoding.encoder import Encoder
from yuhee.errors import UserError
from yuhee.model_card import licence
from yuhee.models.metrics import Step, Totals
from yuhee.models.optim import adamw, learning_rates, scale_and_clip
from yuhee.models.sharding import shard

CHECKPOINT_FORMAT = "yuhee-checkpoint/1"
# A micro-batch returns a sum; this keeps it near a mean's size, so that fp16 gradients do not overflow.
_UNIT = 1024.0


class Objective(NamedTuple):
    """What a micro-batch adds to its optimizer step.

    Attributes:
        loss: () sum of weighted losses, to be differentiated.
        value: the same as a number.
        weight: sum of the weights.
        totals: of the figures.
    """

    loss: Tensor
    value: float
    weight: float
    totals: Totals


class Family(pl.LightningModule):
    """A network that learns from encoded dialogues.

    The loss of an optimizer step is the summed weighted loss over all ranks and micro-batches of the step, divided by
    their summed weights; a mean of per-rank means would be another objective.

    A family gives `Config`, `family`, `make_encoder`, `create`, `objective`, `evaluated` and `new_totals`, and if its
    figures are others than those of replies, `optimizable`.

    Args:
        network: the `transformers` model.
        encoder: of the dialogues it learns from; saved with it.
        config: learning rate and weights.
        facts: plain values about data and licence that travel with every checkpoint.

    Attributes:
        starts: the model that goes on from its bundles, as `train.py` takes it, where they are good for nothing else.
        optimizable: figures that `optimized_metric` may name, lower is better.
        epoch: sums over the steps of the current epoch.
        step_figures: of the last optimizer step.
    """

    Config: ClassVar[type[Section]]
    family: ClassVar[str]
    starts: ClassVar[str | None] = None
    optimizable: ClassVar[tuple[str, ...]] = (
        "val/bpc",
        "val/loss",
        "val/ppl",
        "train/objective",
        "train/bpc",
        "train/loss",
        "train/ppl",
    )

    def __init__(self, network: PreTrainedModel, encoder: Any, config: Any, facts: dict[str, Any]) -> None:
        super().__init__()
        self.network = network.train()  # `from_pretrained` returns evaluation mode, without dropout
        if getattr(config, "gradient_checkpointing", False):
            network.gradient_checkpointing_enable({"use_reentrant": False})
        self.encoder: Encoder = encoder
        self.config = config
        self.facts = facts
        self.epoch = Step(self.new_totals())
        self.step_figures: dict[str, float] = {}
        self._step = Step(self.new_totals())
        self._step_ids: list[str] = []
        self._evaluated = self.new_totals()

    def new_totals(self) -> Totals:
        """Empty sums for the figures."""
        raise NotImplementedError

    def objective(self, batch: Any) -> Objective:
        """What a micro-batch of training adds to its step."""
        raise NotImplementedError

    def evaluated(self, batch: Any) -> Totals:
        """What a batch adds to the figures of val or test."""
        raise NotImplementedError

    def prepare(self, data: Any, folder: Path, device: torch.device) -> None:
        """Called before training, in a resumed run too: what the loss needs and the network does not hold.

        Args:
            data: the DataModule, set up.
            folder: of the run, to keep what takes long to make.
            device: to compute on.
        """

    def settle(self, data: pl.LightningDataModule) -> dict[str, float]:
        """Called once with the best weights, before test is scored: what is left to be made of val.

        Returns:
            figures that the run reports.
        """
        return {}

    def configure_model(self) -> None:
        if self.device_mesh is not None:  # of `trainer=fsdp` alone
            shard(self, self.network, self.device_mesh["data_parallel"])

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        loss, value, weight, totals = self.objective(batch)
        if not math.isfinite(value):
            raise self._non_finite("손실", batch["ids"])
        self._step.add(value, weight, totals)
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
        step, self._step = self._reduced(self._step), Step(self.new_totals())
        by_value = gradient_clip_algorithm == "value"
        scale = _UNIT / max(step.weight, 1.0)
        norm = scale_and_clip(self.parameters(), scale, None if by_value else gradient_clip_val)
        if by_value and gradient_clip_val:
            torch.nn.utils.clip_grad_value_(self.parameters(), gradient_clip_val)
        if not torch.isfinite(norm) and self.trainer.precision != "16-mixed":  # there the scaler skips such a step
            raise self._non_finite("기울기", self._step_ids)
        self._step_ids = []
        self.epoch.add(step.objective, step.weight, step.totals)
        self.step_figures = {
            **step.figures("train"),
            "train/lr": optimizer.param_groups[0]["lr"],
            "train/grad_norm": float(norm),
        }

    def optimizer_step(self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Any = None) -> None:
        super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
        optimizer.zero_grad()  # Lightning would hold the gradients through the next forward pass

    def on_train_epoch_start(self) -> None:
        self.epoch = Step(self.new_totals())

    def on_validation_epoch_start(self) -> None:
        self._evaluated = self.new_totals()

    on_test_epoch_start = on_validation_epoch_start

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self._evaluated += self.evaluated(batch)

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

    def check_resumable(self, checkpoint: dict[str, Any]) -> None:
        """Refuse a checkpoint of a model with other words than this one.

        Raises:
            UserError: it is one.
        """
        if checkpoint.get("yuhee", {}).get("tokenizer") != self.encoder.vocabulary:
            raise UserError(
                "체크포인트의 어휘가 지금 설정의 토크나이저와 다릅니다. 같은 data와 model 설정으로 이어 가거나 새로 시작해 주세요."
            )

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.check_resumable(checkpoint)
        self.epoch = self.epoch.from_list(checkpoint["epoch_so_far"])

    def description(self) -> dict[str, Any]:
        """Plain values from which the model can be built again without configuration or network."""
        return {
            "format": CHECKPOINT_FORMAT,
            "family": self.family,
            "starts": self.starts,
            "task": self.encoder.task,
            "network": json.loads(self.network.config.to_json_string(use_diff=False)),
            "tokenizer": self.encoder.vocabulary,
            "encoder": self.encoder.settings,
            "licence": licence(self.facts.get("pretrained"), self.network.config),
            **self.facts,
        }

    def finished(self) -> PreTrainedModel:
        """The trained network as a plain one of `transformers`, in evaluation mode; the end of its training."""
        return self.network.eval()

    def _log_evaluation(self, split: str) -> None:
        figures = self._reduced(Step(self._evaluated)).totals.figures(split)
        # Lightning's own step for loggers drifts after a resume
        self.log_dict(figures, prog_bar=split == "val", logger=False)
        for logger in self.trainer.loggers:
            logger.log_metrics({"epoch": self.trainer.current_epoch, **figures}, self.trainer.global_step)

    def _reduced(self, step: Step) -> Step:
        """Sums over all ranks."""
        if self.trainer.world_size == 1:
            return step
        sums = torch.tensor(step.as_list(), dtype=torch.float32, device=self.device)
        return step.from_list(self.trainer.strategy.reduce(sums, reduce_op="sum").tolist())

    def _non_finite(self, what: str, ids: Sequence[str]) -> UserError:
        shown = ", ".join(ids[:5]) + (" …" if len(ids) > 5 else "")
        return UserError(
            f"{self.trainer.global_step + 1}번째 스텝에서 {what}이(가) 유한하지 않아 멈췄습니다(대화 {shown}). "
            f"마지막 체크포인트는 그대로입니다. model.lr를 낮추거나(지금 {self.config.lr:g}) precision=32-true로 다시 해 보세요."
        )
