"""What BART's pre-training does to a text (Lewis et al. 2020): lines in another order, spans of words hidden."""

import math
from collections.abc import Iterable, Sequence

import numpy as np


class TextNoise:
    """Permutes the lines of a text and hides spans of it, each behind one mask token (text infilling).

    The lengths of the spans are drawn from a Poisson distribution; one of length 0 puts a mask where nothing is
    missing. The spans lie anywhere, each arrangement as likely as another, and never next to each other.

    Args:
        mask_id: token id of the mask.
        newline_id: between two lines.
        share: of the tokens that are hidden, below a half.
        span: mean length of the drawn spans, in tokens.
    """

    def __init__(self, mask_id: int, newline_id: int, share: float = 0.3, span: float = 3.0) -> None:
        self.mask_id = mask_id
        self.newline_id = newline_id
        self.share = share
        self.span = span

    def __call__(self, ids: Iterable[int], random: np.random.Generator) -> list[int]:
        """What is left of a text; never longer than the text."""
        return self.infilled(self.permuted(ids, random), random)

    def permuted(self, ids: Iterable[int], random: np.random.Generator) -> list[int]:
        """The text with its lines in a random order."""
        lines: list[list[int]] = [[]]
        for token in ids:
            if token == self.newline_id:
                lines.append([])
            else:
                lines[-1].append(int(token))
        order = random.permutation(len(lines))
        mixed = [token for place in order for token in (*lines[place], self.newline_id)]
        return mixed[:-1]

    def infilled(self, ids: Sequence[int], random: np.random.Generator) -> list[int]:
        """The text with `share` of its tokens, rounded up, hidden in spans."""
        spans = self._spans(math.ceil(self.share * len(ids)), random)
        kept = len(ids) - sum(spans)
        gaps = np.sort(random.choice(kept + 1, len(spans), replace=False))  # kept tokens before each span
        left: list[int] = []
        place = said = 0
        for gap, span in zip(gaps.tolist(), spans, strict=True):
            left += [*ids[place : place + gap - said], self.mask_id]
            place, said = place + gap - said + span, gap
        return [*left, *ids[place:]]

    def _spans(self, hidden: int, random: np.random.Generator) -> list[int]:
        """Lengths that add up to `hidden`, at most so many of them."""
        spans: list[int] = []
        rest = hidden
        while rest:
            span = min(int(random.poisson(self.span)), rest)
            if span or len(spans) + rest < hidden:
                spans.append(span)
                rest -= span
        return spans
