"""Figures over replies: loss, perplexity, bits per character."""

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Any, Protocol, Self

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

    def as_list(self) -> list[float]:
        return list(astuple(self))

    def from_list(self, values: Sequence[float]) -> "ReplyTotals":
        return ReplyTotals(*values)

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


class Totals(Protocol):
    """Sums from which a family's figures follow."""

    def __iadd__(self, other: Self) -> Self: ...

    def as_list(self) -> list[float]:
        """All sums, so that they can be added up over ranks."""

    def from_list(self, values: Sequence[float]) -> Self:
        """Totals of the same kind with other sums."""

    def figures(self, prefix: str) -> dict[str, float]:
        """Figures by name, such as `{prefix}/loss`."""


@dataclass(slots=True)
class Step:
    """Sums over the micro-batches of an optimizer step, or over the steps of an epoch.

    Attributes:
        totals: which all figures are about.
        objective: weighted loss in nats, whatever is learned beside the figures included.
        weight: sum of the weights; objective ÷ weight is what is minimised.
    """

    totals: Any
    objective: float = 0.0
    weight: float = 0.0

    def add(self, objective: float, weight: float, totals: Any) -> None:
        self.objective += objective
        self.weight += weight
        self.totals += totals

    def figures(self, prefix: str) -> dict[str, float]:
        objective = self.objective / self.weight if self.weight else math.nan
        return {**self.totals.figures(prefix), f"{prefix}/objective": objective}

    def as_list(self) -> list[float]:
        return [self.objective, self.weight, *self.totals.as_list()]

    def from_list(self, values: Sequence[float]) -> "Step":
        """A step with totals of the same kind and other sums."""
        return Step(self.totals.from_list(values[2:]), values[0], values[1])
