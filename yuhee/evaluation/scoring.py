"""From a system's answers to its figures, on all questions or some, and to its difference from another system."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from yuhee.errors import UserError
from yuhee.evaluation.metrics import METRICS, lacks
from yuhee.evaluation.paired import paired_differences
from yuhee.evaluation.result import Interval
from yuhee.evaluation.sample import Sample
from yuhee.evaluation.statistics import (
    NO_VALUE,
    REPLICATES,
    Array,
    Difference,
    Indices,
    Measured,
    Types,
    each_reply,
    intervals,
    missing,
    no_difference,
    take,
)

OTHER_QUESTIONS = (
    "두 평가의 시험 질문이 달라 짝지어 견줄 수 없습니다. 같은 말뭉치와 같은 data.split 으로 평가한 것을 골라 주세요."
)


@dataclass(frozen=True)
class Scores:
    """Every metric's statistics of one system, made once: figures of all replies, of a slice and of each follow.

    Attributes:
        ids: of the questions.
        dialogues: (questions,) number of each question's dialogue.
        measured: metric name → statistics over the questions, or the reason why there are none.
    """

    ids: tuple[str, ...]
    dialogues: Indices
    measured: dict[str, Measured | str]

    def each(self, name: str) -> Array:
        """A metric of every reply by itself (questions,), NaN where it has none; not for distinct counts."""
        measured = self.measured[name]
        if isinstance(measured, str | Types):
            return np.full(len(self.ids), np.nan)
        return each_reply(measured)


def score(sample: Sample, names: Sequence[str] = tuple(METRICS)) -> Scores:
    """Compute the statistics of the metrics that are named, in the order of the registry."""
    measured = {
        name: lacks(metric, sample) or metric.compute(sample) for name, metric in METRICS.items() if name in names
    }
    return Scores(tuple(question.id for question in sample.questions), sample.dialogues, measured)


def figures(
    scores: Scores, rows: Indices | None = None, *, replicates: int = REPLICATES, seed: int = 0
) -> dict[str, Interval]:
    """Metric name → figure with its interval.

    Args:
        scores: of a system.
        rows: indices of the questions of a slice; None for all.
        replicates: of the bootstrap over dialogues.
        seed: of its draws.
    """
    rows = np.arange(len(scores.ids)) if rows is None else np.asarray(rows, dtype=np.int64)
    if not len(rows):
        return {name: missing(each if isinstance(each, str) else NO_VALUE) for name, each in scores.measured.items()}
    clusters = np.unique(scores.dialogues[rows], return_inverse=True)[1].reshape(-1)
    computed = {name: take(each, rows) for name, each in scores.measured.items() if not isinstance(each, str)}
    found = dict(
        zip(computed, intervals(list(computed.values()), clusters, replicates=replicates, seed=seed), strict=True)
    )
    return {name: missing(each) if isinstance(each, str) else found[name] for name, each in scores.measured.items()}


def differences(first: Scores, second: Scores, *, replicates: int = REPLICATES, seed: int = 0) -> dict[str, Difference]:
    """Metric name → first minus second on the same questions, with interval and p-value.

    Raises:
        UserError: they answered other questions.
    """
    if first.ids != second.ids:
        raise UserError(OTHER_QUESTIONS)
    both = {name: (each, second.measured[name]) for name, each in first.measured.items() if name in second.measured}
    pairs = [(one, other) for one, other in both.values() if not isinstance(one, str) and not isinstance(other, str)]
    computed = iter(paired_differences(pairs, first.dialogues, replicates=replicates, seed=seed))
    found = {}
    for name, (one, other) in both.items():
        lacking = next((each for each in (one, other) if isinstance(each, str)), None)
        found[name] = no_difference(lacking) if lacking else next(computed)
    return found
