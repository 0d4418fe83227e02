"""Figures over labelled messages: loss, accuracy, macro-F1, calibration."""

import math
from collections.abc import Sequence
from typing import Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

BINS = 15
Array = npt.NDArray[np.float64]


class ClassTotals:
    """Sums over messages, from which the figures follow.

    Attributes:
        nll: of the right labels, in nats.
        confusion: (labels, labels) messages by right label and by told label.
        bins: (15, 3) messages, confidence and hits by confidence, see `calibration_error`.
    """

    def __init__(self, labels: int, values: Sequence[float] | None = None) -> None:
        sums = np.zeros(1 + labels**2 + 3 * BINS) if values is None else np.array(values, dtype=float)
        self.labels = labels
        self.nll = float(sums[0])
        self.confusion: Array = sums[1 : 1 + labels**2].reshape(labels, labels)
        self.bins: Array = sums[1 + labels**2 :].reshape(BINS, 3)

    @classmethod
    def of(cls, logits: Tensor, labels: Tensor) -> "ClassTotals":
        """Of (n, labels) logits and (n,) right labels."""
        totals = cls(logits.shape[1])
        logits = logits.detach().float().cpu()
        right = labels.cpu().numpy()
        probabilities = logits.softmax(-1).numpy().astype(float)
        told = probabilities.argmax(1)
        totals.nll = float(F.cross_entropy(logits, labels.cpu(), reduction="sum"))
        np.add.at(totals.confusion, (right, told), 1)
        totals.bins = confidence_bins(probabilities, right)
        return totals

    def __iadd__(self, other: Self) -> Self:
        self.nll += other.nll
        self.confusion = self.confusion + other.confusion
        self.bins = self.bins + other.bins
        return self

    def as_list(self) -> list[float]:
        return [self.nll, *self.confusion.ravel().tolist(), *self.bins.ravel().tolist()]

    def from_list(self, values: Sequence[float]) -> "ClassTotals":
        return ClassTotals(self.labels, values)

    def figures(self, prefix: str) -> dict[str, float]:
        """`{prefix}/loss` in nats per message, `accuracy`, `macro_f1`, `ece` (0 to 1), and `error` = 1 − macro-F1.

        Without messages: NaN.
        """
        count = float(self.confusion.sum())
        macro = float(macro_f1(self.confusion[None])[0]) if count else math.nan
        return {
            f"{prefix}/loss": self.nll / count if count else math.nan,
            f"{prefix}/accuracy": float(np.trace(self.confusion)) / count if count else math.nan,
            f"{prefix}/macro_f1": macro,
            f"{prefix}/error": 1 - macro,
            f"{prefix}/ece": float(calibration_error(self.bins[None])[0]) if count else math.nan,
        }


def macro_f1(confusion: Array) -> Array:
    """Mean over the labels of 2·hits ÷ (right + told), a label that is neither left out.

    Args:
        confusion: (n, labels, labels) by right label and by told label.

    Returns:
        (n,) from 0 to 1.
    """
    return mean_f1(np.diagonal(confusion, axis1=-2, axis2=-1), confusion.sum(-1) + confusion.sum(-2))


def mean_f1(hits: Array, either: Array) -> Array:
    """The same from (n, labels) hits and right + told messages."""
    scores = 2 * hits / np.maximum(either, 1e-12)
    found: Array = scores.sum(-1) / np.maximum((either > 0).sum(-1), 1)
    return found


def confidence_bins(probabilities: Array, labels: npt.NDArray[np.int64]) -> Array:
    """(15, 3): messages, summed confidence and hits, by the probability of the likeliest label.

    Bin m holds confidences in ((m − 1) / 15, m / 15].

    Args:
        probabilities: (n, labels).
        labels: (n,) right ones.
    """
    bins: Array = each_confidence(probabilities, labels).sum(0)
    return bins


def each_confidence(probabilities: Array, labels: npt.NDArray[np.int64]) -> Array:
    """(n, 15, 3): the bins of each message by itself, see `confidence_bins`."""
    confidence = probabilities.max(1)
    place = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    bins = np.zeros((len(confidence), BINS, 3))
    hits = probabilities.argmax(1) == labels
    bins[np.arange(len(confidence)), place] = np.stack([np.ones_like(confidence), confidence, hits], 1)
    return bins


def calibration_error(bins: Array) -> Array:
    """Expected calibration error: the mean over messages of |accuracy − confidence| of their bin.

    Guo et al. 2017, "On Calibration of Modern Neural Networks", eq. 3, with 15 bins of equal width.

    Args:
        bins: (n, 15, 3), see `confidence_bins`.

    Returns:
        (n,) from 0 to 1.
    """
    found: Array = np.abs(bins[..., 2] - bins[..., 1]).sum(-1) / np.maximum(bins[..., 0].sum(-1), 1)
    return found


def temperature(logits: Tensor, labels: Tensor) -> float:
    """What to divide logits by so that their softmax is as likely as it can be (temperature scaling, Guo et al. 2017).

    Between 1/20 and 20: a few messages that are all told right would make it 0.

    Args:
        logits: (n, labels) of messages that nothing was learned from.
        labels: (n,) right ones.
    """
    from scipy.optimize import minimize_scalar  # half a second, which opening a model must not wait for

    logits = logits.double()

    def nll(log: float) -> float:
        return float(F.cross_entropy(logits / math.exp(log), labels))

    limit = math.log(20)
    with torch.no_grad():
        return float(math.exp(minimize_scalar(nll, bounds=(-limit, limit), method="bounded").x))
