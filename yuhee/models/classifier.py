"""What all families share that tell a label from a text: their loss, their figures, their calibration."""

from typing import Any, ClassVar

import torch
from pytorch_lightning import LightningDataModule
from torch import Tensor
from torch.distributed.fsdp import FSDPModule
from torch.nn import functional as F
from transformers import PreTrainedModel

from yuhee.data.encoding.labelled import LabelEncoder, LabelledBatch
from yuhee.models.class_metrics import ClassTotals, temperature
from yuhee.models.family import Family, Objective


class Classifier(Family):
    """A network with an output per label, learned with the cross entropy of the right one.

    With the weights of `best.ckpt` a temperature is fitted on val and multiplied into the last layer, so that the
    softmax of the saved network's logits is calibrated for everybody who reads it. Checkpoints hold the network as it
    was trained.
    """

    optimizable: ClassVar[tuple[str, ...]] = (
        "val/error",
        "val/loss",
        "val/ece",
        "train/objective",
        "train/error",
        "train/loss",
    )
    encoder: LabelEncoder

    def __init__(self, network: PreTrainedModel, encoder: Any, config: Any, facts: dict[str, Any]) -> None:
        super().__init__(network, encoder, config, facts)
        self.class_weights: Tensor | None = None

    def new_totals(self) -> ClassTotals:
        return ClassTotals(len(self.encoder.labels))

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        """What a batch holds as `inputs` → (batch, labels) logits in float32."""
        logits: Tensor = self.network(**inputs).logits
        return logits.float()

    def objective(self, batch: LabelledBatch) -> Objective:
        logits, labels = self(batch["inputs"]), batch["labels"]
        weights = self.class_weights
        loss = F.cross_entropy(
            logits,
            labels,
            weight=weights,
            reduction="sum",
            label_smoothing=getattr(self.config, "label_smoothing", 0.0),
        )
        weight = float(len(labels)) if weights is None else float(weights[labels].sum())
        return Objective(loss, loss.item(), weight, ClassTotals.of(logits, labels))

    def evaluated(self, batch: LabelledBatch) -> ClassTotals:
        return ClassTotals.of(self(batch["inputs"]), batch["labels"])

    def settle(self, data: LightningDataModule) -> dict[str, float]:
        """Calibrate; val's figures are those of the calibrated network."""
        if isinstance(self, FSDPModule):  # no process holds the layer to be scaled
            return {}
        logits, labels = self._told(data)
        if not len(labels):
            return {}
        fitted = temperature(logits, labels)
        self.facts["temperature"] = fitted
        self.scale_logits(1 / fitted)
        before = ClassTotals.of(logits, labels).figures("val")
        after = ClassTotals.of(logits / fitted, labels).figures("val")
        return {**after, "val/ece_uncalibrated": before["val/ece"], "val/temperature": fitted}

    @torch.no_grad()
    def scale_logits(self, factor: float) -> None:
        """Multiply all logits by a factor, in the weights of the layer that makes them."""
        width = len(self.encoder.labels)
        *_, last = (m for m in self.network.modules() if isinstance(m, torch.nn.Linear) and m.out_features == width)
        for parameter in last.parameters():
            parameter.mul_(factor)

    @torch.no_grad()
    def _told(self, data: LightningDataModule) -> tuple[Tensor, Tensor]:
        """(n, labels) logits and (n,) right labels of val, whatever the process: all of them must scale alike."""
        self.eval()
        logits, labels = [torch.zeros(0, len(self.encoder.labels))], [torch.zeros(0, dtype=torch.long)]
        for batch in data.val_dataloader():
            inputs = {name: value.to(self.device) for name, value in batch["inputs"].items()}
            logits.append(self(inputs).cpu())
            labels.append(batch["labels"])
        told = torch.cat(logits), torch.cat(labels)
        if self.trainer.world_size == 1:
            return told
        shares: list[Any] = [None] * self.trainer.world_size
        torch.distributed.all_gather_object(shares, told)
        return torch.cat([share[0] for share in shares]), torch.cat([share[1] for share in shares])
