"""The part of a report that is about labels: which were told for which, how sure, and where the model was wrong."""

from typing import Any

import numpy as np

from yuhee.evaluation.class_plots import confusion_matrix, reliability
from yuhee.evaluation.plots import svg
from yuhee.evaluation.result import Classes, Evaluation

WRONG = 30  # messages, those of which the model was surest


def classes_section(evaluation: Evaluation, classes: Classes) -> dict[str, Any]:
    """Values for the template."""
    return {
        "matrix": svg(confusion_matrix(classes.labels, classes.confusion["model"])),
        "reliability": svg(reliability(classes.reliability)),
        "per_label": _per_label(classes),
        "wrong": _wrong(evaluation, classes),
    }


def _per_label(classes: Classes) -> list[tuple[str, int, float, float, float]]:
    """Label, its messages, precision, recall and F1 in percent."""
    table = np.array(classes.confusion["model"], dtype=float)
    hits, right, told = np.diagonal(table), table.sum(1), table.sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        columns = (100 * hits / told, 100 * hits / right, 100 * 2 * hits / (right + told))
    return [
        (label, int(count), *values)
        for label, count, *values in zip(classes.labels, right, *(column.tolist() for column in columns), strict=True)
    ]


def _wrong(evaluation: Evaluation, classes: Classes) -> list[tuple[str, str, str, float]]:
    """Text, right label, told label and its probability, the surest first."""
    found = []
    for question, row in zip(evaluation.questions, classes.probabilities, strict=True):
        told = classes.labels[int(np.argmax(row))]
        if told != question.emotion:
            found.append((question.context[-1][1], str(question.emotion), told, max(row)))
    return sorted(found, key=lambda each: -each[3])[:WRONG]
