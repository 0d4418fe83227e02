"""`docs/few_shot.md` and its picture: figures of the runs that are finished, mean ± standard deviation over seeds."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from yuhee.evaluation.statistics import Seeds, over_seeds

HEAD = """# Few labels

Written by `python -m benchmarks.few_shot` from `benchmarks/few_shot.yaml`: songys, the grouped split of
`data.split.seed=0`, so many labelled messages of each class as the column says, mean ± standard deviation over
{seeds} seeds. The seed draws the labels: all rows of a seed learn from the same messages. The networks are alike; the
pre-trained ones start from a masked language model of the training split's own text (one for each seed), and nothing was
chosen by looking at val. PET's rows read the other messages of the training split too, without their labels.

![test accuracy](few_shot.png)
"""
FIGURES = {"test/accuracy": "Test accuracy, %", "test/macro_f1": "Test macro-F1, %"}


def page(study: Mapping[str, Any], root: Path) -> str:
    """The page, of whatever is finished by now."""
    parts = [HEAD.format(seeds=len(study["seeds"]))]
    for figure, title in FIGURES.items():
        lines = [f"## {title}", "", _line(["what", *map(str, study["sizes"]), "minutes"])]
        lines.append(_line(["---"] * (len(study["sizes"]) + 2)))
        for name, row in study["rows"].items():
            values = [_over(figures(root, name, size, figure)) for size in study["sizes"]]
            lines.append(_line([row["title"], *values, _minutes(study, root, name)]))
        parts.append("\n".join(lines) + "\n")
    before = [each["seconds"] / 60 for each in _metrics(root / "masked")]
    loss = over_seeds([each["test/loss"] for each in _metrics(root / "masked")])
    if before:
        parts.append(
            f"Pre-training: {sum(before) / len(before):.1f} minutes a seed, {loss.mean:.2f} nats per hidden word of test. "
            "The minutes in the tables are a run's, pre-training left out, for the largest size.\n"
        )
    return "\n".join(parts)


def plot(study: Mapping[str, Any], root: Path, file: Path) -> None:
    """Accuracy by labelled messages of each class, a line for each row, a bar of one standard deviation each way."""
    drawing = Figure(figsize=(7, 4.5), layout="constrained")
    axes = drawing.add_subplot()
    for place, (name, row) in enumerate(study["rows"].items()):
        seeds = [figures(root, name, size, "test/accuracy") for size in study["sizes"]]
        means = [100 * each.mean for each in seeds]
        deviations = [0.0 if math.isnan(each.sd) else 100 * each.sd for each in seeds]
        sizes = [size * 1.03**place for size in study["sizes"]]  # side by side, so that no bar hides another
        axes.errorbar(sizes, means, deviations, marker="o", capsize=3, label=row["title"])
    axes.set(xscale="log", xlabel="labelled messages of each class", ylabel="test accuracy, %")
    axes.set_xticks(study["sizes"], [str(size) for size in study["sizes"]])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend()
    drawing.savefig(file, dpi=150)


def figures(root: Path, row: str, size: int, figure: str) -> Seeds:
    """A figure of all finished seeds."""
    return over_seeds([each[figure] for each in _metrics(root / f"{row}_{size}")])


def _metrics(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(file.read_text(encoding="utf-8")) for file in sorted(folder.glob("seed=*/metrics.json"))]


def _minutes(study: Mapping[str, Any], root: Path, row: str) -> str:
    seconds = figures(root, row, study["sizes"][-1], "seconds")
    return f"{seconds.mean / 60:.1f}" if seconds.n else ""


def _over(seeds: Seeds) -> str:
    if not seeds.n:
        return ""
    deviation = "" if math.isnan(seeds.sd) else f" ± {100 * seeds.sd:.1f}"
    return f"{100 * seeds.mean:.1f}{deviation} ({seeds.n})"


def _line(values: list[str]) -> str:
    return f"| {' | '.join(values)} |"
