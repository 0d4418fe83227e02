"""Losses over chosen tokens, as pure functions."""

from torch import Tensor, nn
from torch.nn import functional as F

IGNORE = -100
ROWS = 128  # the projection runs on multiples of so many rows


def next_token_nll(hidden: Tensor, labels: Tensor, projection: nn.Module) -> Tensor:
    """Negative log-likelihood of the labelled tokens, projected onto the vocabulary only where a label is.

    Args:
        hidden: (batch, length, width) last states of the decoder.
        labels: (batch, length) token ids, −100 where nothing is scored; not shifted.
        projection: (n, width) → (n, vocabulary).

    Returns:
        (n,) nats in float32, row by row, left to right.
    """
    targets = labels[:, 1:]
    scored = targets != IGNORE
    rows = hidden[:, :-1][scored]
    # few distinct shapes: CPU kernels are prepared and kept per shape
    logits = projection(F.pad(rows, (0, 0, 0, -len(rows) % ROWS)))[: len(rows)]
    return F.cross_entropy(logits.float(), targets[scored], reduction="none")


def with_context(labels: Tensor, context_labels: Tensor) -> tuple[Tensor, Tensor]:
    """Labels of replies and context together, and which of them are replies.

    Args:
        labels, context_labels: (batch, length), −100 where there is none; no position has both.

    Returns:
        (batch, length) merged labels, and (n,) bool in the order of `next_token_nll`.
    """
    merged = labels.where(labels != IGNORE, context_labels)
    is_reply = (labels[:, 1:] != IGNORE)[merged[:, 1:] != IGNORE]
    return merged, is_reply
