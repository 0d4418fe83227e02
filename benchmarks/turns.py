"""One pass over a dialogue of n exchanges, against n examples of it that learn one reply each, as peers expand it.

Both sides run this project's module and Trainer settings, so that only the representation differs.
"""

import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

from benchmarks import workload
from benchmarks.steps import Clock, fit, subject
from yuhee.data.dialogue import Dialogue, Turn

ONLY_REPLIES = ("model.context_loss_weight=0", "model.token_dropout=0")
Exchange = tuple[Turn, Turn]


def run(spec: dict[str, Any]) -> dict[str, Any]:
    """Learned tokens per second of both, and their ratio, for each n: `one_pass_16`, `expanded_16`, `ratio_16`."""
    model = subject([*spec["overrides"], *ONLY_REPLIES], spec["seed"])
    draw = random.Random(spec["seed"])
    exchanges = _exchanges(workload.read(spec["work"], "dialogues"))
    rows, steps = spec["rows"], spec["steps"]
    figures: dict[str, Any] = {}
    for n in (spec["turns"][0], *spec["turns"]):  # the first time only warms the process up
        dialogues = max(rows // n, 1)  # as many replies per optimizer step as the other side learns
        whole = [_dialogue(draw.sample(exchanges, n), n) for _ in range(dialogues * (1 + steps))]
        one_pass = _rate([fit(model, whole, dialogues, 1)])
        clocks = []
        for depth in depths(n):
            expanded = [_dialogue(draw.sample(exchanges, depth), 1) for _ in range(rows * (1 + steps))]
            clocks.append(fit(model, expanded, rows, 1))
        figures |= {f"one_pass_{n}": one_pass, f"expanded_{n}": _rate(clocks), f"ratio_{n}": one_pass / _rate(clocks)}
    return figures


def depths(n: int) -> tuple[int, ...]:
    """Exchanges of the expanded examples to time: two of 1 … n with the same mean, since n batches take too long.

    The cost of attention grows faster than the length, so two inner depths cost a little less than all n do: the
    expansion looks better than it is.
    """
    low = max(round(n / 4), 1)
    return tuple(sorted({low, n + 1 - low}))


def _exchanges(dialogues: Sequence[Sequence[Sequence[str]]]) -> list[Exchange]:
    pairs = (pair for turns in dialogues for pair in pairwise(turns))
    return [
        (Turn("user", question), Turn("assistant", answer))
        for (asks, question), (answers, answer) in pairs
        if (asks, answers) == ("user", "assistant")
    ]


def _dialogue(exchanges: Sequence[Exchange], learned: int) -> Dialogue:
    """A dialogue whose last replies are learned and whose others are only read."""
    first = len(exchanges) - learned
    turns = [
        turn if place >= first else replace(turn, weight=0) for place, pair in enumerate(exchanges) for turn in pair
    ]
    return Dialogue("benchmark", tuple(turns))


def _rate(clocks: Sequence[Clock]) -> float:
    """Learned tokens per second."""
    learned = sum(sum(clock.learned[clock.warmup :]) for clock in clocks)
    return learned / sum(sum(clock.seconds) for clock in clocks)
