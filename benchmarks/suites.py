"""The comparisons: which sides take turns, and what follows from their figures."""

import statistics
from dataclasses import dataclass
from typing import Any

from benchmarks.grid import linear_fit, points
from benchmarks.measure import Result, alternate, medians, problem
from benchmarks.scale import Scale
from benchmarks.workload import read

Figures = dict[str, Any]
ENGINES = ("torch", "int8", "ctranslate2")  # of `yuhee.load`, whose conversations are followed


@dataclass(frozen=True)
class Bench:
    """One call of the benchmark.

    Attributes:
        work: folder that `prepare` filled.
        rounds: of every comparison.
    """

    scale: Scale
    work: str
    rounds: int

    def run(self, sides: dict[str, tuple[str, Figures]], rounds: int | None = None) -> dict[str, list[Result]]:
        shared = {label: (name, {"work": self.work, **spec}) for label, (name, spec) in sides.items()}
        return alternate(shared, rounds or self.rounds)


def training(bench: Bench) -> Figures:
    """Examples per second and peak memory of every side, ratios to this project within each round."""
    sides = {label: (f"training.{label}", {"steps": steps}) for label, steps in bench.scale.steps.items()}
    results = bench.run({"peak": ("peak", {"matrix": bench.scale.matrix}), **sides})
    values = read(bench.work)
    flops = 6 * (
        values["body_parameters"] * values["tokens_per_example"]
        + values["head_parameters"] * values["reply_tokens_per_example"]
    )
    peaks = results.pop("peak")
    table = {label: medians(rows) for label, rows in results.items()}
    for label, rows in results.items():
        if not problem(table[label]):
            shares = _each(rows, peaks, lambda a, b: a["examples_per_second"] * flops / b["bf16_gflops"] / 1e9)
            table[label]["share_of_bf16_peak"] = statistics.median(shares)
    figures = {"sides": table, "peak": medians(peaks), "flops_per_example": flops, "rounds": results}
    ours = results["ours"]
    for peer in set(results) - {"ours"}:
        figures[f"speed_over_{peer}"] = _ratio(ours, results[peer], "examples_per_second")
        figures[f"memory_over_{peer}"] = _ratio(ours, results[peer], "peak_mb")
    both = [figures["speed_over_trl"], figures["speed_over_trl_packed"]]
    figures["speed_over_best_trl"] = min(filter(None, both), default=None)
    figures["share_of_bf16_peak"] = table["ours"].get("share_of_bf16_peak")
    return figures


def replies(bench: Bench) -> Figures:
    """Tokens per second of every side, and the wait for the first token."""
    scale = bench.scale
    spec = {"replies": scale.replies, "new_tokens": scale.new_tokens, "prompt_tokens": scale.prompt_tokens}
    speed = bench.run(
        {
            "ours": ("replies.ours", spec),
            "original": ("replies.original", spec),
            "transformers_bf16": ("replies.transformers", {**spec, "dtype": "bfloat16"}),
            "transformers_fp32": ("replies.transformers", {**spec, "dtype": "float32"}),
            "ctranslate2_int8": ("replies.ctranslate2", spec),
        }
    )
    waits = bench.run(
        {
            "first_token": ("replies.first_token", spec),
            **{f"conversation_{name}": ("replies.conversation", {**spec, "engine": name}) for name in ENGINES},
        }
    )
    figures: Figures = {label: medians(rows) for label, rows in {**speed, **waits}.items()}
    for peer in ("original", "transformers_bf16", "transformers_fp32", "ctranslate2_int8"):
        figures[f"speed_over_{peer}"] = _ratio(speed["ours"], speed[peer], "tokens_per_second")
    figures["first_token_ms"] = figures["first_token"].get("milliseconds")
    figures["tenth_over_first"] = figures["conversation_torch"].get("tenth_over_first")
    return figures


def data(bench: Bench) -> Figures:
    """From a file to batches: speed, waits, and memory of a large corpus."""
    scale = bench.scale
    spec = {"corpus": scale.corpus, "tiny": scale.tiny, "dialogues": scale.dialogues}
    results = bench.run({"corpus": ("data.corpus", spec), "warm_start": ("data.warm_start", spec)})
    results |= bench.run({"million": ("data.million", spec)}, rounds=1)
    figures: Figures = {label: medians(rows) for label, rows in results.items()}
    figures["file_to_cache_seconds"] = figures["corpus"].get("file_to_cache_seconds")
    figures["warm_start_seconds"] = figures["warm_start"].get("seconds")
    figures["growth_mb"] = figures["million"].get("growth_mb")
    figures["dialogues"] = scale.dialogues
    return figures


def turns(bench: Bench) -> Figures:
    """One pass against expansion, for both sizes of model."""
    scale = bench.scale
    overrides = {"tiny": ["model=tiny", *scale.tiny], "kogpt2": read(bench.work)["overrides"]}
    sides: dict[str, tuple[str, Figures]] = {}
    for model, values in overrides.items():
        spec = {"rows": scale.turn_rows[model], "steps": scale.turn_steps[model], "turns": scale.turns}
        common = [f"data={scale.corpus}", "data.max_length=512"]
        sides[model] = ("turns", {**spec, "overrides": [*values, *common]})
    results = {model: medians(rows) for model, rows in bench.run(sides, rounds=min(bench.rounds, 2)).items()}
    most = max(scale.turns)
    return {**results, "most": most, **{f"{m}_over_expansion": row.get(f"ratio_{most}") for m, row in results.items()}}


def scaling(bench: Bench) -> Figures:
    """Step time and memory over the grid, and the line through them."""
    scale = bench.scale
    common = [f"data={scale.corpus}", "data.max_length=512"]
    tiny = {"overrides": ["model=tiny", *scale.tiny, *common], "points": points(**scale.grid)}
    large = {"overrides": [*read(bench.work)["overrides"], *common], "points": [(*p, 2) for p in scale.points]}
    results = bench.run({"tiny": ("scaling", tiny), "kogpt2": ("scaling", large)}, rounds=min(bench.rounds, 2))
    figures: Figures = {}
    for model, rounds in results.items():
        if reason := next(filter(None, map(problem, rounds)), None):
            figures[model] = {"failed": reason}
            continue
        rows = [
            {key: statistics.median(row[key] for row in same) for key in same[0]}
            for same in zip(*(result["rows"] for result in rounds), strict=True)
        ]
        figures[model] = {"rows": rows, **linear_fit(rows)}
    return figures


SUITES = {"training": training, "replies": replies, "data": data, "turns": turns, "scaling": scaling}


def _each(ours: list[Result], others: list[Result], figure: Any) -> list[float]:
    return [figure(a, b) for a, b in zip(ours, others, strict=True)]


def _ratio(ours: list[Result], others: list[Result], key: str) -> float | None:
    """Median over the rounds of our figure over the other side's; None where a side has none."""
    if any(problem(result) for result in (*ours, *others)):
        return None
    return statistics.median(_each(ours, others, lambda a, b: a[key] / b[key]))
