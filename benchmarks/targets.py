"""What the project wants to reach, and whether a call of the benchmark says so."""

import operator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Target:
    """One line of the headline table.

    Attributes:
        what: in words.
        suite, key: where the figure stands in the results.
        least, aim: what counts as reached, and what is hoped for.
        unit: a format of the figure.
        low: whether lower is better.
    """

    what: str
    suite: str
    key: str
    least: float
    aim: float
    unit: str
    low: bool = False

    def verdict(self, figure: float) -> str:
        better = operator.le if self.low else operator.ge
        if better(figure, self.aim):
            return "aim"
        return "yes" if better(figure, self.least) else "**no**"


TARGETS = (
    Target("training examples/s over the original recipe", "training", "speed_over_original", 6, 10, "{:.1f} ×"),
    Target("training examples/s over TRL's best configuration", "training", "speed_over_best_trl", 2.2, 3.5, "{:.1f} ×"),
    Target("share of the measured bf16 matrix-product peak", "training", "share_of_bf16_peak", 0.45, 0.7, "{:.0%}"),
    Target("peak memory against the original recipe", "training", "memory_over_original", 0.6, 0.4, "{:.0%}", low=True),
    Target("reply tokens/s over the original loop, default CPU engine", "replies", "speed_over_original", 7, 9, "{:.1f} ×"),
    Target("reply tokens/s over transformers generate in bf16", "replies", "speed_over_transformers_bf16", 1.6, 2, "{:.1f} ×"),
    Target("first token of a reply, 32-token prompt, 125 M model", "replies", "first_token_ms", 150, 60, "{:.0f} ms", low=True),
    Target(
        "first token of the 10th reply of a conversation over the 1st, PyTorch engine",
        "replies",
        "tenth_over_first",
        2,
        1.2,
        "{:.2f} ×",
        low=True,
    ),
    Target("16-turn dialogues, tokens of loss/s over expansion, 125 M", "turns", "kogpt2_over_expansion", 4, 8, "{:.1f} ×"),
    Target("16-turn dialogues, tokens of loss/s over expansion, tiny", "turns", "tiny_over_expansion", 4, 8, "{:.1f} ×"),
    Target("songys encoded from file to cache", "data", "file_to_cache_seconds", 3, 1, "{:.2f} s", low=True),
    Target("warm start: train.py to its first step, tiny model", "data", "warm_start_seconds", 12, 8, "{:.1f} s", low=True),
    Target("1,000,000 dialogues: growth of memory", "data", "growth_mb", 500, 200, "{:.0f} MB", low=True),
)  # fmt: skip


def headline(results: Mapping[str, Any]) -> list[list[str]]:
    """Rows of the headline table: what, measured, at least, aim, reached."""
    rows = []
    for target in TARGETS:
        if target.suite not in results:
            continue
        figure = results[target.suite].get(target.key)
        limits = [target.unit.format(target.least), target.unit.format(target.aim)]
        if figure is None:
            rows.append([target.what, "not measured", *limits, "–"])
        else:
            rows.append([target.what, target.unit.format(figure), *limits, target.verdict(figure)])
    return rows
