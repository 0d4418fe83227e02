"""The results as Markdown."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.measure import problem
from benchmarks.targets import headline

Figures = Mapping[str, Any]


def markdown(results: Figures) -> str:
    """Machine, headline table, and a table for each comparison."""
    if results["quick"]:
        headlines = "**A quick call with toy networks: it shows that every side runs; its figures mean nothing.**"
    else:
        headlines = _table(["", "measured", "at least", "aim", "reached"], headline(results))
    parts = [_machine(results), headlines]
    for suite, write in WRITERS.items():
        if suite in results:
            parts.append(write(results[suite]))
    return "\n\n".join(parts) + "\n"


def _machine(results: Figures) -> str:
    machine = results["machine"]
    flags = " ".join(machine["flags"])
    packages = ", ".join(f"{name} {value}" for name, value in machine["packages"].items() if value)
    memory = f"{machine['memory_gb']:.0f} GB" if machine["memory_gb"] else "memory unknown"
    return (
        f"{machine['cpu']}, {machine['cores']} cores, {memory} ({flags}); {machine['system']}, "
        f"Python {machine['python']}, {packages}. {results['rounds']} rounds, medians, {results['minutes']:.0f} minutes."
    )


def _training(figures: Figures) -> str:
    rows = []
    for label, side in figures["sides"].items():
        if reason := problem(side):
            rows.append([label, reason, "", "", "", ""])
            continue
        rows.append(
            [
                label,
                f"{side['seconds_per_step']:.2f}",
                f"{side['examples_per_second']:.1f}",
                f"{side['tokens_per_second']:.0f}",
                f"{side['share_of_bf16_peak']:.0%}",
                f"{side['peak_mb'] / 1000:.1f}",
            ]
        )
    peak = figures["peak"]
    title = (
        f"### Training, 125 M\n\nMatrix-product peak in the same call: {peak['fp32_gflops']:.0f} GFLOP/s in fp32, "
        f"{peak['bf16_gflops']:.0f} in bf16; {figures['flops_per_example'] / 1e9:.1f} GFLOP an example."
    )
    head = ["side", "s / step", "examples / s", "tokens / s", "share of the bf16 peak", "peak memory, GB"]
    return f"{title}\n\n{_table(head, rows)}"


def _replies(figures: Figures) -> str:
    labels = ("ours", "original", "transformers_bf16", "transformers_fp32", "ctranslate2_int8")
    rows = [
        [label, *_cells(figures[label], ("tokens_per_second", "{:.1f}"), ("peak_mb", "{:.0f}"))] for label in labels
    ]
    parts = [f"### Replies, 125 M\n\n{_table(['side', 'tokens / s', 'peak memory, MB'], rows)}"]
    waits = {key.removeprefix("conversation_"): figures[key] for key in figures if key.startswith("conversation_")}
    known = {name: side["milliseconds"] for name, side in waits.items() if not problem(side)}
    missing = [f"{name}: {problem(side)}" for name, side in waits.items() if problem(side)]
    if known:
        turns = len(next(iter(known.values())))
        head = ["first token, ms, at reply", *map(str, range(1, turns + 1))]
        parts.append(_table(head, [[name, *(f"{value:.0f}" for value in row)] for name, row in known.items()]))
    return "\n\n".join([*parts, *missing])


def _data(figures: Figures) -> str:
    corpus, million = figures["corpus"], figures["million"]
    rows = [
        ["examples encoded / s", *_cells(corpus, ("examples_encoded_per_second", "{:,.0f}"))],
        ["songys from file to cache, s", *_cells(corpus, ("file_to_cache_seconds", "{:.2f}"))],
        ["to the first batch, cold, s", *_cells(corpus, ("first_batch_cold_seconds", "{:.2f}"))],
        ["to the first batch, warm, s", *_cells(corpus, ("first_batch_warm_seconds", "{:.2f}"))],
        ["`train.py` to its first step, warm, s", *_cells(figures["warm_start"], ("seconds", "{:.1f}"))],
        [f"{figures['dialogues']:,} dialogues, growth of memory, MB", *_cells(million, ("growth_mb", "{:.0f}"))],
        [f"{figures['dialogues']:,} dialogues, s", *_cells(million, ("seconds", "{:.0f}"))],
    ]
    return f"### Data\n\n{_table(['', 'measured'], rows)}"


def _turns(figures: Figures) -> str:
    rows = []
    for model in ("tiny", "kogpt2"):
        side = figures[model]
        if reason := problem(side):
            rows.append([model, "", reason, "", ""])
            continue
        for n in (key.removeprefix("ratio_") for key in side if key.startswith("ratio_")):
            rates = [f"{side[f'{name}_{n}']:.0f}" for name in ("one_pass", "expanded")]
            rows.append([model, n, *rates, f"{side[f'ratio_{n}']:.1f} ×"])
    head = ["model", "exchanges", "one pass, learned tokens / s", "expanded, learned tokens / s", "ratio"]
    return f"### Multi-turn dialogues\n\n{_table(head, rows)}"


def _scaling(figures: Figures) -> str:
    parts = ["### Scaling"]
    for model, side in figures.items():
        if reason := problem(side):
            parts.append(f"{model}: {reason}")
            continue
        parts.append(
            f"{model}: {side['microseconds_per_token']:.0f} µs per token + {side['seconds_without_tokens']:.2f} s per step, "
            f"R² = {side['r2']:.3f}"
        )
        rows = [
            [
                *(f"{row[key]:.0f}" for key in ("batch", "length", "turns", "tokens")),
                f"{row['seconds']:.3f}",
                f"{row['seconds'] / row['tokens'] * 1e6:.0f}",
                f"{row['peak_mb']:.0f}",
            ]
            for row in side["rows"]
        ]
        head = ["batch", "length", "turns", "tokens", "s / step", "µs / token", "peak memory, MB"]
        parts.append(_table(head, rows))
    return "\n\n".join(parts)


WRITERS = {"training": _training, "replies": _replies, "data": _data, "turns": _turns, "scaling": _scaling}


def _cells(side: Figures, *figures: tuple[str, str]) -> list[str]:
    if reason := problem(dict(side)):
        return [reason, *[""] * (len(figures) - 1)]
    return [form.format(side[key]) for key, form in figures]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)
