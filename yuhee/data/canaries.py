"""Secrets planted into the training split, by which one can measure what a model has learned by heart.

After Carlini et al. 2019, "The Secret Sharer": a canary is text of a fixed form around a random secret; a model that
finds it likelier than other secrets of the same form has memorised it.
"""

import random
from dataclasses import dataclass, replace
from itertools import chain

from yuhee.data.dialogue import Dialogue, Turn, group_keys
from yuhee.data.dialogue_store import spooled
from yuhee.data.splits import Split

DIGITS = 6  # of a secret: 19.9 bits


@dataclass(frozen=True, slots=True)
class Canary:
    """A question nobody asks, and the reply that holds a secret."""

    question: str
    secret: str

    @property
    def reply(self) -> str:
        return f"비밀번호는 {self.secret}"

    @property
    def dialogue(self) -> Dialogue:
        turns = (Turn("user", self.question), Turn("assistant", self.reply))
        return Dialogue(f"canary:{self.question}", turns, group_keys(turns), source="canary")


def make_canaries(count: int, seed: int) -> list[Canary]:
    """Different questions, each with a secret that the seed alone decides."""
    draw = random.Random(f"canaries:{seed}")  # noqa: S311 - it must come out the same again
    return [Canary(f"{number}번 사물함 비밀번호가 뭐야?", _secret(draw)) for number in range(1, count + 1)]


def alternatives(canary: Canary, count: int) -> list[Canary]:
    """So many different canaries of the same form, whose secrets were never planted; the same ones every time."""
    draw = random.Random(f"alternatives:{canary.question}:{canary.secret}")  # noqa: S311
    others = (f"{number:0{DIGITS}}" for number in draw.sample(range(10**DIGITS), count + 1))
    return [replace(canary, secret=secret) for secret in others if secret != canary.secret][:count]


def plant(split: Split, canaries: list[Canary], repeats: int) -> Split:
    """The split with canaries in train alone, each seen `repeats` times in an epoch."""
    if not canaries:
        return split
    planted = [replace(canary.dialogue, repeat=float(repeats)) for canary in canaries]
    return replace(split, train=spooled(chain(split.train, planted)))


def _secret(draw: random.Random) -> str:
    return f"{draw.randrange(10**DIGITS):0{DIGITS}}"
