"""What a side reads of the shared folder, and how rates follow from steps; imports no machine learning."""

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any


class Skipped(Exception):
    """Why a side cannot run here."""


def read(work: str, name: str = "workload") -> Any:
    """Values that `prepare` saved: `workload`, `examples` or `dialogues`."""
    return json.loads((Path(work) / f"{name}.json").read_text(encoding="utf-8"))


def save(work: Path, name: str, values: Any) -> None:
    (work / f"{name}.json").write_text(json.dumps(values, ensure_ascii=False), encoding="utf-8")


def step_seconds(marks: Sequence[float], warmup: int) -> list[float]:
    """Seconds of each step after the warm-up, from the moments when the steps were done."""
    timed = marks[warmup - 1 :]
    return [after - before for before, after in pairwise(timed)]


def rates(seconds: Sequence[float], tokens: Sequence[int], tokens_per_example: float) -> dict[str, float]:
    """Examples per second from tokens (padding left out) per second and the corpus' mean length.

    Batches of like lengths differ by a factor of three in tokens; this way it does not matter which of them the
    timed steps drew.
    """
    tokens_per_second = sum(tokens) / sum(seconds)
    return {
        "examples_per_second": tokens_per_second / tokens_per_example,
        "tokens_per_second": tokens_per_second,
        "seconds_per_step": sum(seconds) / len(seconds),
    }
