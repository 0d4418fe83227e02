"""Step time and memory over batch size, length and turns, to see what a token costs."""

from collections.abc import Iterator
from itertools import cycle
from typing import Any

from benchmarks import workload
from benchmarks.side import peak_mb
from benchmarks.steps import fit, subject
from yuhee.data.dialogue import Dialogue, Turn
from yuhee.data.encoding.causal_lm import CausalLMEncoder

STEPS = 2


def run(spec: dict[str, Any]) -> dict[str, Any]:
    """One row per point: batch, length, turns, tokens of a step, seconds of a step, peak memory.

    Points come in the order of their tokens, so that the process's peak so far is the point's own.
    """
    model = subject(spec["overrides"], spec["seed"])
    sentences = cycle(text for turns in workload.read(spec["work"], "dialogues") for _, text in turns)
    rows = []
    for batch, length, turns in sorted(spec["points"], key=lambda point: point[0] * point[1]):
        model.module.encoder = encoder = CausalLMEncoder(
            model.module.encoder.tokenizer, max_length=length if turns == 2 else 2 * length
        )
        dialogues = [_dialogue(encoder, length, turns, sentences) for _ in range(batch * (1 + STEPS))]
        clock = fit(model, dialogues, batch, 1)
        rows.append(
            {
                "batch": batch,
                "length": length,
                "turns": turns,
                "tokens": sum(clock.tokens[1:]) / STEPS,
                "seconds": min(clock.seconds),
                "peak_mb": peak_mb(),
            }
        )
    return {"rows": rows}


def _dialogue(encoder: CausalLMEncoder, length: int, turns: int, sentences: Iterator[str]) -> Dialogue:
    """About `length` tokens; one of two turns is too long, and the encoder shortens its question to the very number."""
    share = length // turns
    made = []
    for place in range(turns):
        role = "assistant" if place % 2 else "user"
        text = next(sentences)
        longer = share * (1 + (turns == 2 and place == 0))  # the question gives way
        while len(encoder.turn_ids(Turn(role, text))) < longer - 4:
            text += " " + next(sentences)
        made.append(Turn(role, text))
    return Dialogue("benchmark", tuple(made))
