"""The registry of metrics of classifiers: what each means, where it comes from, and its statistics over messages."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from yuhee.evaluation.statistics import Array, Indices, Sums
from yuhee.models.class_metrics import BINS, calibration_error, each_confidence, mean_f1

_LEAST = 1e-12  # a probability below it counts as this much


@dataclass(frozen=True, slots=True)
class ClassMetric:
    """One figure of the report.

    Attributes:
        name: key in files.
        title, definition: for people.
        direction: which way is better.
        unit: of the figure; empty for a pure number.
        source: where the definition comes from.
        compute: (probabilities (n, labels), right labels (n,)) → statistics over the messages.
    """

    name: str
    title: str
    definition: str
    direction: Literal["lower", "higher"]
    unit: str
    source: str
    compute: Callable[[Array, Indices], Sums]


def _accuracy(probabilities: Array, right: Indices) -> Sums:
    hits = (probabilities.argmax(1) == right).astype(float)
    return Sums(np.stack([hits, np.ones_like(hits)], 1), _percent_of_first)


def _macro_f1(probabilities: Array, right: Indices) -> Sums:
    labels = probabilities.shape[1]
    told, wanted = np.eye(labels)[probabilities.argmax(1)], np.eye(labels)[right]
    return Sums(np.hstack([told * wanted, told + wanted]), lambda sums: 100 * mean_f1(*np.hsplit(sums, 2)))


def _calibration(probabilities: Array, right: Indices) -> Sums:
    table = each_confidence(probabilities, right)
    return Sums(table.reshape(len(right), -1), lambda sums: 100 * calibration_error(sums.reshape(-1, BINS, 3)).round(9))


def _loss(probabilities: Array, right: Indices) -> Sums:
    nats = -np.log(np.maximum(probabilities[np.arange(len(right)), right], _LEAST))
    return Sums(np.stack([nats, np.ones_like(nats)], 1), lambda sums: _percent_of_first(sums) / 100)


def _percent_of_first(sums: Array) -> Array:
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Array = 100 * sums[:, 0] / sums[:, 1]
    return found


CLASS_METRICS = {
    metric.name: metric
    for metric in (
        ClassMetric(
            "accuracy",
            "정확도",
            "가장 그럴듯하다고 한 감정이 말뭉치의 표지와 같은 글의 몫.",
            "higher",
            "%",
            "",
            _accuracy,
        ),
        ClassMetric(
            "macro_f1",
            "매크로 F1",
            "감정마다 구한 F1(2 × 맞힌 글 ÷ (그 표지의 글 + 그렇게 읽은 글))의 평균: 드문 감정도 흔한 감정만큼 센다.",
            "higher",
            "%",
            "Opitz·Burst 2019의 F1 평균",
            _macro_f1,
        ),
        ClassMetric(
            "ece",
            "보정 오차(ECE)",
            f"확신(가장 큰 확률)을 같은 너비의 {BINS}구간으로 나누어, 구간마다 |맞힌 몫 − 평균 확신|을 "
            "글의 수로 무게를 두어 평균한 것.",
            "lower",
            "%p",
            "Guo 외 2017, 식 3",
            _calibration,
        ),
        ClassMetric(
            "log_loss",
            "로그 손실",
            "말뭉치의 표지에 준 확률의 음의 로그(나트), 글마다 평균.",
            "lower",
            "나트",
            "",
            _loss,
        ),
    )
}
