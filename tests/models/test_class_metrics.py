"""Figures of classifiers against their definitions, and against scikit-learn."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, log_loss

from yuhee.models.class_metrics import BINS, ClassTotals, calibration_error, confidence_bins, temperature


@given(st.integers(1, 40), st.integers(2, 5), st.integers(0, 2**31))
def test_figures_are_those_of_scikit_learn_however_the_batches_fall(count: int, labels: int, seed: int) -> None:
    random = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(count, labels, generator=random)
    right = torch.randint(labels, (count,), generator=random)
    totals = ClassTotals(labels)
    for rows in torch.arange(count).split(7):
        totals += ClassTotals.of(logits[rows], right[rows])
    figures = totals.from_list(totals.as_list()).figures("val")
    told = logits.argmax(1)
    assert figures["val/accuracy"] == pytest.approx(accuracy_score(right, told))
    assert figures["val/macro_f1"] == pytest.approx(f1_score(right, told, average="macro"))
    assert figures["val/error"] == pytest.approx(1 - figures["val/macro_f1"])
    loss = log_loss(right, logits.double().softmax(1), labels=range(labels))
    assert figures["val/loss"] == pytest.approx(loss, rel=1e-4, abs=2e-7)  # log(1 + x) of a small x in float32


def test_calibration_error_by_hand() -> None:
    # three messages at 0.9, of which two are right, and one at 0.6 that is wrong
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.1, 0.9], [0.6, 0.4]])
    bins = confidence_bins(probabilities, np.array([0, 0, 0, 1]))
    assert calibration_error(bins[None])[0] == pytest.approx((3 * abs(0.9 - 2 / 3) + 0.6) / 4)


def test_a_confidence_on_the_edge_of_a_bin_belongs_below() -> None:
    bins = confidence_bins(np.array([[1.0, 0.0], [1 / BINS, 0.0]]), np.array([0, 0]))
    assert bins[:, 0].nonzero()[0].tolist() == [0, BINS - 1]


def test_a_temperature_undoes_overconfidence() -> None:
    torch.manual_seed(0)
    calibrated = torch.randn(4000, 3)
    labels = torch.multinomial(calibrated.softmax(1), 1)[:, 0]
    assert temperature(3 * calibrated, labels) == pytest.approx(3, rel=0.1)
    assert temperature(torch.eye(3)[[0, 1, 2]], torch.tensor([0, 1, 2])) == pytest.approx(1 / 20, rel=0.01)
