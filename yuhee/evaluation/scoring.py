"""From a system's answers to its figures, on all questions or some, and to its difference from another system."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

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
    Sums,
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

    Of a metric that follows from sums, replies that one of the two has no value for (too long for its `data.max_length`,
    say) count for neither.

    Raises:
        UserError: they answered other questions.
    """
    if first.ids != second.ids:
        raise UserError(OTHER_QUESTIONS)
    both = {name: (each, second.measured[name]) for name, each in first.measured.items() if name in second.measured}
    lacking = {name: _incomparable(name, one, other) for name, (one, other) in both.items()}
    pairs = [_of_common_replies(*both[name]) for name, reason in lacking.items() if reason is None]  # type: ignore[arg-type]
    computed = iter(paired_differences(pairs, first.dialogues, replicates=replicates, seed=seed))
    return {name: no_difference(reason) if reason else next(computed) for name, reason in lacking.items()}


def _incomparable(name: str, one: Measured | str, other: Measured | str) -> str | None:
    """Why a metric of two systems cannot be compared; None if it can."""
    for each in (one, other):
        if isinstance(each, str):
            return each
    if name in METRICS and METRICS[name].unpaired:
        return METRICS[name].unpaired
    if name == "ppl" and isinstance(one, Sums) and isinstance(other, Sums):
        counted = _counts(one) & _counts(other)
        if not np.array_equal(one.table[counted, 1], other.table[counted, 1]):
            return "토크나이저가 달라 토큰당 수치를 견줄 수 없습니다. 글자당 비트로 견주세요"
    return None


def _counts(sums: Sums) -> npt.NDArray[np.bool_]:
    """(replies,) whether a reply has a value."""
    counted: npt.NDArray[np.bool_] = (sums.table != 0).any(axis=1)
    return counted


def _of_common_replies(one: Measured, other: Measured) -> tuple[Measured, Measured]:
    if not (isinstance(one, Sums) and isinstance(other, Sums)):
        return one, other
    common = (_counts(one) & _counts(other))[:, None]
    return Sums(one.table * common, one.aggregate), Sums(other.table * common, other.aggregate)
