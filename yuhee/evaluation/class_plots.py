"""Pictures of a classifier's mistakes and of its confidence."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from yuhee.evaluation.plots import GREY, MODEL, style
from yuhee.evaluation.result import Classes


def class_plots(classes: Classes) -> dict[str, Figure]:
    """File name → figure."""
    return {
        "confusion": confusion_matrix(classes.labels, classes.confusion["model"]),
        "reliability": reliability(classes.reliability),
    }


def confusion_matrix(labels: Sequence[str], counts: Sequence[Sequence[int]]) -> Figure:
    """Messages by right label (rows) and by told label (columns), coloured by their share of the row.

    Args:
        counts: (labels, labels).
    """
    table = np.array(counts, dtype=float)
    shares = table / np.maximum(table.sum(1, keepdims=True), 1)
    size = 1.6 + 0.7 * len(labels)
    with style():
        figure = Figure(figsize=(size + 0.6, size), layout="constrained")
        axes = figure.add_subplot()
        axes.grid(visible=False)
        for row, column in np.ndindex(table.shape):
            # transparent, so that the text can be read on a white page and on a black one
            cell = Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor=MODEL, alpha=0.75 * shares[row, column])
            axes.add_patch(cell)
            axes.text(column, row, f"{table[row, column]:,.0f}\n{shares[row, column]:.0%}", ha="center", va="center")
        axes.set_xlim(-0.5, len(labels) - 0.5)
        axes.set_ylim(len(labels) - 0.5, -0.5)
        axes.set_aspect("equal")
        axes.set_xticks(range(len(labels)), labels)
        axes.set_yticks(range(len(labels)), labels)
        axes.set_xlabel("모델이 읽은 감정")
        axes.set_ylabel("말뭉치의 표지")
        return figure


def reliability(bins: Sequence[Sequence[float]]) -> Figure:
    """Share of hits by confidence; on the diagonal a model is as often right as it is sure.

    Args:
        bins: (bins, 3) messages, summed confidence and hits, see `confidence_bins`.
    """
    count, confidence, hits = np.array(bins, dtype=float).T
    filled = count > 0
    width = 1 / len(count)
    with style():
        figure = Figure(figsize=(3.6, 3.2), layout="constrained")
        axes = figure.add_subplot()
        axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1)
        places = (np.flatnonzero(filled) + 0.5) * width
        axes.bar(places, hits[filled] / count[filled], 0.9 * width, color=MODEL, alpha=0.35)
        sizes = 8 + 60 * count[filled] / count.max()
        axes.scatter(confidence[filled] / count[filled], hits[filled] / count[filled], sizes, color=MODEL, zorder=3)
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1.02)
        axes.set_xlabel("확신 (가장 큰 확률)")
        axes.set_ylabel("맞힌 몫")
        return figure
