"""Figures over replies: loss, perplexity, bits per character."""

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass, field

LOST_CHARACTER_BITS = 20.0


@dataclass(slots=True)
class ReplyTotals:
    """Sums over replies, from which the figures follow.

    Attributes:
        nll: of the replies' tokens and end tokens, in nats.
        tokens: how many those are.
        characters: of the raw replies in NFC, plus one for each end.
        lost: characters that the tokenizer lost.
    """

    nll: float = 0.0
    tokens: float = 0.0
    characters: float = 0.0
    lost: float = 0.0

    def __iadd__(self, other: "ReplyTotals") -> "ReplyTotals":
        self.nll, self.tokens, self.characters, self.lost = (
            a + b for a, b in zip(astuple(self), astuple(other), strict=True)
        )
        return self

    def figures(self, prefix: str) -> dict[str, float]:
        """`{prefix}/loss` in nats per token, `{prefix}/ppl` per token, `{prefix}/bpc` in bits per character.

        Bits per character = (NLL in bits + 20 × lost characters) ÷ characters: it compares models across
        tokenizers, and a character that the tokenizer cannot write is not free. Without tokens: NaN.
        """
        if not self.tokens or not self.characters:
            return dict.fromkeys((f"{prefix}/loss", f"{prefix}/ppl", f"{prefix}/bpc"), math.nan)
        loss = self.nll / self.tokens
        bits = self.nll / math.log(2) + LOST_CHARACTER_BITS * self.lost
        return {
            f"{prefix}/loss": loss,
            f"{prefix}/ppl": math.exp(min(loss, 700.0)),
            f"{prefix}/bpc": bits / self.characters,
        }


@dataclass(slots=True)
class Step:
    """Sums over the micro-batches of an optimizer step, or over the steps of an epoch.

    Attributes:
        objective: weighted NLL in nats, the context's share included.
        weight: sum of the weights; objective ÷ weight is what is minimised.
        replies: the replies alone, which all figures are about.
    """

    objective: float = 0.0
    weight: float = 0.0
    replies: ReplyTotals = field(default_factory=ReplyTotals)

    def add(self, objective: float, weight: float, replies: ReplyTotals) -> None:
        self.objective += objective
        self.weight += weight
        self.replies += replies

    def figures(self, prefix: str) -> dict[str, float]:
        objective = self.objective / self.weight if self.weight else math.nan
        return {**self.replies.figures(prefix), f"{prefix}/objective": objective}

    def as_list(self) -> list[float]:
        return [self.objective, self.weight, *astuple(self.replies)]

    @classmethod
    def from_list(cls, values: Sequence[float]) -> "Step":
        return cls(values[0], values[1], ReplyTotals(*values[2:]))
