"""Losses over chosen tokens, as pure functions."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

IGNORE = -100
ROWS = 32  # the projection runs on multiples of so many rows
CHUNK = 2048  # rows whose logits are held together
BLOCK = 32  # rows whose logits are held in float32 together: few enough to stay in a processor's cache


def next_token_nll(hidden: Tensor, labels: Tensor, projection: Callable[[Tensor], Tensor]) -> Tensor:
    """Negative log-likelihood of the labelled tokens, projected onto the vocabulary only where a label is.

    Args:
        hidden: (batch, length, width) last states of the decoder.
        labels: (batch, length) token ids, −100 where nothing is scored; not shifted.
        projection: (n, width) → (n, vocabulary).

    Returns:
        (n,) nats in float32, row by row, left to right.
    """
    rows, targets = _scored(hidden, labels)
    logits = projection(_padded(rows))[: len(rows)]
    return F.cross_entropy(logits.float(), targets, reduction="none")


def weighted_nll(
    hidden: Tensor,
    labels: Tensor,
    weights: Tensor,
    projection: Tensor,
    bias: Tensor | None = None,
    smoothing: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """The summed weighted NLL for training: gradients are made on the way forward, and logits never kept.

    Args:
        hidden: (batch, length, width) last states of the decoder.
        labels: (batch, length) token ids, −100 where nothing is scored; not shifted.
        weights: (n,) of the n scored tokens, row by row, left to right.
        projection: (vocabulary, width); its dtype is the one computed in.
        bias: (vocabulary,) of the projection.
        smoothing: share of the target that is spread evenly over the vocabulary (Szegedy et al. 2016, "Rethinking the
            Inception architecture").

    Returns:
        () sum of weight × (smoothed) nats, which can be differentiated once, and (n,) unsmoothed nats in float32,
        which cannot.
    """
    rows, targets = _scored(hidden, labels)
    n = len(rows)
    rows = _padded(rows.to(projection.dtype))
    extra = (0, len(rows) - n)
    bias = None if bias is None else bias.to(projection.dtype)
    targets, weights = F.pad(targets, extra), F.pad(weights.float(), extra)
    loss, nll = _WeightedNLL.apply(rows, projection, bias, targets, weights, smoothing)  # type: ignore[no-untyped-call]
    return loss, nll[:n]


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


def _scored(hidden: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """(n, width) states that predict a labelled token, and (n,) those tokens."""
    targets = labels[:, 1:]
    scored = targets != IGNORE
    return hidden[:, :-1][scored], targets[scored]


def _padded(rows: Tensor) -> Tensor:
    # few distinct shapes: CPU kernels are prepared and kept per shape
    return F.pad(rows, (0, 0, 0, -len(rows) % ROWS))


class _WeightedNLL(torch.autograd.Function):
    """Cross-entropy of a linear layer, chunk by chunk (as in Hsu et al. 2024, "Liger Kernel")."""

    @staticmethod
    def forward(
        ctx: Any,
        rows: Tensor,
        projection: Tensor,
        bias: Tensor | None,
        targets: Tensor,
        weights: Tensor,
        smoothing: float,
    ) -> tuple[Tensor, Tensor]:
        nll = torch.empty(len(rows), dtype=torch.float32, device=rows.device)
        loss = torch.empty_like(nll) if smoothing else nll
        of_rows, of_projection, of_bias = torch.empty_like(rows), None, None
        for start in range(0, len(rows), CHUNK):
            chunk = slice(start, start + CHUNK)
            logits = F.linear(rows[chunk], projection, bias)
            nll[chunk], loss[chunk] = _to_gradient(logits, targets[chunk], weights[chunk], smoothing)
            torch.mm(logits, projection, out=of_rows[chunk])
            of_projection = _plus(of_projection, logits.T @ rows[chunk])
            if bias is not None:
                of_bias = _plus(of_bias, logits.sum(0))
        ctx.gradients = of_rows, of_projection, of_bias
        ctx.mark_non_differentiable(nll)
        return (loss * weights).sum(), nll

    @staticmethod
    def backward(ctx: Any, scale: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        gradients = [None if gradient is None else gradient.mul_(scale) for gradient in ctx.gradients]
        del ctx.gradients
        return *gradients, None, None, None


def _plus(total: Tensor | None, part: Tensor) -> Tensor:
    """The sum over chunks, in float32 where there are several."""
    return part if total is None else total.float().add_(part)


def _to_gradient(logits: Tensor, targets: Tensor, weights: Tensor, smoothing: float) -> tuple[Tensor, Tensor]:
    """Overwrite (n, vocabulary) logits by the gradient of their weighted loss; returns (n,) NLL and loss in nats."""
    nll = torch.empty(len(logits), dtype=torch.float32, device=logits.device)
    loss = torch.empty_like(nll) if smoothing else nll
    for start in range(0, len(logits), BLOCK):
        block = slice(start, start + BLOCK)
        target, weight = targets[block, None], weights[block, None]
        likeliest = logits[block].amax(1, keepdim=True)
        gradient = F.softmax(logits[block], dim=1, dtype=torch.float32)
        # of a target whose own probability is 0 in float32, too
        spread = gradient.amax(1, keepdim=True).log()
        nll[block] = (likeliest - logits[block].gather(1, target).float() - spread)[:, 0]
        if smoothing:
            even = (likeliest - logits[block].float().mean(1, keepdim=True) - spread)[:, 0]
            loss[block] = torch.lerp(nll[block], even, smoothing)
            gradient -= smoothing / logits.shape[1]
        logits[block] = gradient.mul_(weight).scatter_add_(1, target, weight * (smoothing - 1))
    return nll, loss
