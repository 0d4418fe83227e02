"""How well a model remembers planted secrets.

After Carlini et al. 2019, "The Secret Sharer": the exposure of a canary is log2 of the number of secrets of its form
minus log2 of its rank among them by likelihood. The rank is taken among a sample of them.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict
from statistics import mean, median
from typing import Any

from yuhee.bundle import Model
from yuhee.chat.engine import Decoding
from yuhee.data.canaries import Canary, alternatives
from yuhee.evaluation.generation import generate
from yuhee.evaluation.likelihood import score_replies

ALTERNATIVES = 1023  # of each canary, so that the highest exposure is 10 bits
CHANCE = 1 / math.log(2)  # bits of exposure on average where the rank is by chance
PLAIN = Decoding(greedy=True, repetition_penalty=1.0, no_repeat_ngram=10_000)  # nothing keeps it from what it knows


def exposures(model: Model, canaries: Sequence[Canary]) -> dict[str, Any]:
    """Rank, exposure in bits and greedy extraction of every canary, as plain values."""
    said = generate(model, [model.encoder.prompt(canary.dialogue.turns[:1]) for canary in canaries], PLAIN)
    rows = []
    for number, (canary, reply) in enumerate(zip(canaries, said, strict=True), start=1):
        rank = _rank(model, canary, f"카나리아 {number}/{len(canaries)}")
        extracted = canary.secret in model.encoder.decode(reply.ids)
        rows.append({**asdict(canary), "rank": rank, "exposure": exposure(rank), "extracted": extracted})
    bits = [row["exposure"] for row in rows]
    return {
        "count": len(rows),
        "alternatives": ALTERNATIVES,
        "exposure": {"mean": mean(bits), "median": median(bits), "max": max(bits), "chance": CHANCE},
        "extracted": sum(row["extracted"] for row in rows),
        "planted": rows,
    }


def exposure(rank: int) -> float:
    """Bits: 10 for the likeliest of all, 0 for the least likely."""
    return math.log2(ALTERNATIVES + 1) - math.log2(rank)


def _rank(model: Model, canary: Canary, title: str) -> int:
    """1 where no alternative is likelier."""
    dialogues = [each.dialogue for each in (canary, *alternatives(canary, ALTERNATIVES))]
    bits, *others = [scores[1].bits for scores in score_replies(model, dialogues, title)]
    return 1 + sum(other < bits for other in others)
