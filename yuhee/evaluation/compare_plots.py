"""Pictures of many runs, for the page of `yuhee compare` and for notebooks."""

import math
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, NullFormatter

from yuhee.evaluation.compare import FIGURE, RUN, differing, figure_to_sort_by, lower_is_better, part
from yuhee.evaluation.importance import importance
from yuhee.evaluation.plots import GREY, MODEL, legible, style
from yuhee.evaluation.runs import FINISHED

AXES = 9  # settings side by side, the most important ones
LABEL = 18  # characters of a value or a name
WIDE_RANGE = 20.0  # values that span more are drawn on a logarithmic axis
SCALES = {"parameters": "파라미터 수", "tokens_seen": "배운 토큰", "seconds": "걸린 시간 (초)"}
_WITHOUT = "(없음)"


def parallel_figure(runs: pd.DataFrame, by: str | None = None) -> Figure | None:
    """Every run as a line through its settings to its figure, the best one thick; None without settings that differ.

    Args:
        runs: of `read_runs`.
        by: figure; None takes what the runs optimized.
    """
    by = figure_to_sort_by(runs, by)
    outcome = _outcome(runs, by)
    settings = differing(runs)[0][outcome.notna()]
    outcome = outcome.dropna()
    if outcome.empty or not len(settings.columns):
        return None
    first = [str(name) for name in importance(runs, by).shares.index]
    names = [*first, *(str(name) for name in settings if name not in first)][:AXES]
    scales = [_scale(settings[name]) for name in names] + [_scale(outcome)]
    heights = np.column_stack([places for places, _ in scales])
    goodness = heights[:, -1] if not lower_is_better(by) else 1 - heights[:, -1]
    with style():
        figure = Figure(figsize=(max(5.0, 1.5 * len(scales)), 3.6), layout="constrained")
        axes = figure.add_subplot()
        colours = mpl.colormaps["viridis_r"]
        for run in np.argsort(goodness):
            best = goodness[run] == goodness.max()
            axes.plot(heights[run], color=colours(goodness[run]), linewidth=2.8 if best else 1.0, alpha=0.9)
        _vertical_axes(axes, [*names, by], [ticks for _, ticks in scales])
        return legible(figure)


def _vertical_axes(axes: Axes, names: Sequence[str], ticks: Sequence[dict[float, str]]) -> None:
    axes.grid(visible=False)
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    for place, marks in enumerate(ticks):
        axes.axvline(place, color=GREY, linewidth=0.8)
        for height, label in marks.items():
            axes.text(place + 0.04, height, label, fontsize=7, va="center")
    axes.set_xticks(range(len(names)), [_short(name.replace(".", ".\n", 1)) for name in names], fontsize=8)
    axes.tick_params(axis="x", length=0)
    axes.set_xlim(-0.1, len(names) - 0.4)
    axes.set_ylim(-0.06, 1.06)


def _scale(values: "pd.Series[Any]") -> tuple[np.ndarray[Any, Any], dict[float, str]]:
    """(runs,) heights from 0 to 1, and the labels along the axis: numbers by size, anything else evenly spaced."""
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values) and values.notna().all():
        numbers = values.to_numpy(dtype=float)
        low, high = numbers.min(), numbers.max()
        wide = low > 0 and high / low >= WIDE_RANGE
        position = (lambda x: math.log(x)) if wide else (lambda x: x)
        span = position(high) - position(low) or 1.0
        distinct = sorted(set(numbers.tolist()))
        marks = distinct if len(distinct) <= 6 else [low, *_between(low, high, wide), high]
        return (
            np.array([(position(x) - position(low)) / span for x in numbers]),
            {(position(x) - position(low)) / span: f"{x:.4g}" for x in marks},
        )
    kinds = sorted({_label(value) for value in values})
    height = {kind: place / max(len(kinds) - 1, 1) for place, kind in enumerate(kinds)}
    return np.array([height[_label(value)] for value in values]), {height[kind]: _short(kind) for kind in kinds}


def _between(low: float, high: float, wide: bool) -> list[float]:
    return [float(x) for x in (np.geomspace if wide else np.linspace)(low, high, 5)[1:-1]]


def _label(value: Any) -> str:
    return _WITHOUT if value is None or (isinstance(value, float) and math.isnan(value)) else str(value)


def _short(text: str) -> str:
    lines = (line if len(line) <= LABEL else line[: LABEL - 1] + "…" for line in text.split("\n"))
    return "\n".join(lines)


def scaling_figure(runs: pd.DataFrame, by: str | None = None) -> Figure | None:
    """The figure against parameters, training tokens and wall time; finished runs filled; None if nothing is known.

    Args:
        runs: of `read_runs`.
        by: figure; None takes what the runs optimized.
    """
    by = figure_to_sort_by(runs, by)
    outcome, figures = _outcome(runs, by), part(runs, FIGURE)
    known = [name for name in SCALES if name in figures and (figures[name].notna() & outcome.notna()).any()]
    if not known:
        return None
    finished = (runs[RUN]["state"] == FINISHED).to_numpy()
    with style():
        figure = Figure(figsize=(3.4 * len(known), 3.0), layout="constrained")
        for place, (name, axes) in enumerate(zip(known, np.atleast_1d(figure.subplots(1, len(known))), strict=True)):
            faces = np.where(finished, MODEL, "none")
            axes.scatter(figures[name], outcome, s=22, facecolors=faces, edgecolors=MODEL, linewidths=1)
            values = figures[name][outcome.notna()].dropna()
            if values.min() > 0 and values.max() / values.min() >= WIDE_RANGE:
                axes.set_xscale("log")
                axes.xaxis.set_minor_formatter(NullFormatter())
            axes.xaxis.set_major_formatter(EngFormatter(sep=""))
            axes.set_xlabel(SCALES[name])
            if not place:
                axes.set_ylabel(by)
        return legible(figure)


def importance_figure(runs: pd.DataFrame, by: str | None = None) -> Figure | None:
    """Share of the variance of the figure that each setting explains; None where that would mean nothing.

    Args:
        runs: of `read_runs`.
        by: figure; None takes what the runs optimized.
    """
    shares = importance(runs, figure_to_sort_by(runs, by)).shares[:12][::-1]
    if shares.empty:
        return None
    with style():
        figure = Figure(figsize=(4.6, 0.8 + 0.28 * len(shares)), layout="constrained")
        axes = figure.add_subplot()
        axes.barh([str(name) for name in shares.index], 100 * shares.to_numpy(), color=MODEL)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel("중요도 (분산에서 차지하는 몫, %)")
        return legible(figure)


def _outcome(runs: pd.DataFrame, by: str) -> "pd.Series[float]":
    figures = part(runs, FIGURE)
    values = figures[by] if by in figures else pd.Series(math.nan, index=runs.index)
    return values.where(np.isfinite(values))
