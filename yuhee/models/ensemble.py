"""What several pattern models say together: weights, soft labels, and examples for the next generation."""

import torch
from torch import Tensor


def weights(accuracies: Tensor) -> Tensor:
    """(models,) weights that sum to 1, in proportion to each pattern's accuracy before training; equal if all are 0."""
    if not accuracies.sum():
        accuracies = torch.ones_like(accuracies)
    return accuracies / accuracies.sum()


def together(scores: Tensor, weight: Tensor, temperature: float = 1.0) -> Tensor:
    """Probabilities of an ensemble: softmax of the weighted mean score, divided by the temperature.

    Schick & Schütze 2021, "Exploiting Cloze Questions", eq. 4 and below.

    Args:
        scores: (models, texts, labels) scores or log-probabilities, which differ by what a softmax ignores.
        weight: (models,) summing to 1.

    Returns:
        (texts, labels).
    """
    return (torch.einsum("m,mtl->tl", weight, scores) / temperature).softmax(-1)


def most_confident(probabilities: Tensor, per_label: Tensor) -> list[tuple[int, int]]:
    """The texts that an ensemble is surest of, so many for each label: (text, label) pairs.

    A text counts for its likeliest label alone; fewer come out where fewer are told so.

    Args:
        probabilities: (texts, labels).
        per_label: (labels,) how many.
    """
    confidence, told = probabilities.max(-1)
    chosen = []
    for label, count in enumerate(per_label.tolist()):
        texts = (told == label).nonzero()[:, 0]
        order = confidence[texts].argsort(descending=True, stable=True)[: int(count)]
        chosen += [(text, label) for text in texts[order].tolist()]
    return chosen
