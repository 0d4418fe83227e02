"""How much of the difference between runs each setting explains."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from yuhee.evaluation.compare import FIGURE, RUN, differing, part
from yuhee.evaluation.runs import FINISHED
from yuhee.evaluation.statistics import Array

MIN_RUNS = 10  # below, a forest explains chance
_TREES, _BACKGROUND, _VALUES = 100, 200, 20


@dataclass(frozen=True, slots=True)
class Importance:
    """Shares of the variance of a figure.

    Attributes:
        shares: setting → share that it explains by itself (0 to 1), the largest first; what is missing to 1 are
            settings that act together. Empty where it would mean nothing.
        explained: R² of the forest on runs that a tree has not seen (out of bag).
        reason: why there are no shares, for people; None where there are.
    """

    shares: "pd.Series[float]"
    explained: float = math.nan
    reason: str | None = None


def importance(runs: pd.DataFrame, by: str) -> Importance:
    """Functional ANOVA of a random forest over the settings that differ (Hutter, Hoos & Leyton-Brown 2014).

    A setting's share is the variance of the forest's prediction over its values, all other settings averaged out,
    divided by the variance over independently drawn settings (the first-order index of Sobol 1993).

    Args:
        runs: of `read_runs`; the finished ones that have the figure count.
        by: the figure.
    """
    figures = part(runs, FIGURE)
    finished = (runs[RUN]["state"] == FINISHED).to_numpy()
    usable = finished & np.isfinite(figures[by].to_numpy()) if by in figures else finished & False
    empty = pd.Series(dtype=float)
    if usable.sum() < MIN_RUNS:
        return Importance(
            empty, reason=f"{by} 값이 있는 끝난 실행이 {usable.sum()}개뿐이라 뜻이 없습니다({MIN_RUNS}개부터)."
        )
    settings, _ = differing(runs[usable])
    if not len(settings.columns):
        return Importance(empty, reason="실행들의 설정이 모두 같아 견줄 것이 없습니다.")
    codes = np.column_stack([_codes(settings[name]) for name in settings])
    outcome = figures[by].to_numpy()[usable]
    shares, explained = _forest_shares(codes, outcome)
    if not explained > 0:
        return Importance(empty, explained, "설정으로는 결과의 차이가 설명되지 않습니다(씨앗과 우연이 더 큽니다).")
    return Importance(pd.Series(shares, index=list(settings)).sort_values(ascending=False), explained)


def _codes(values: "pd.Series[Any]") -> Array:
    """Numbers as they are; anything else, and a setting some runs do not know, as numbered kinds."""
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values) and values.notna().all():
        return values.to_numpy(dtype=float)
    return pd.factorize(values.map(str))[0].astype(float)


def _forest_shares(codes: Array, outcome: Array) -> tuple[Array, float]:
    """(settings,) shares, and R² out of bag.

    Args:
        codes: (runs, settings).
        outcome: (runs,).
    """
    from sklearn.ensemble import RandomForestRegressor

    forest = RandomForestRegressor(_TREES, min_samples_leaf=2, oob_score=True, random_state=0).fit(codes, outcome)
    draw = np.random.default_rng(0)
    background = np.column_stack([draw.choice(column, _BACKGROUND) for column in codes.T])
    total = forest.predict(background).var()
    shares = np.zeros(codes.shape[1])
    for place, column in enumerate(codes.T):
        values, counts = np.unique(column, return_counts=True)
        if len(values) > _VALUES:
            values, counts = np.quantile(column, np.linspace(0, 1, _VALUES)), np.ones(_VALUES, dtype=int)
        tried = np.repeat(background[None], len(values), axis=0)
        tried[:, :, place] = values[:, None]
        means = forest.predict(tried.reshape(-1, codes.shape[1])).reshape(len(values), -1).mean(axis=1)
        shares[place] = np.average((means - np.average(means, weights=counts)) ** 2, weights=counts)
    return np.clip(shares / total, 0, 1) if total > 0 else shares, float(forest.oob_score_)
