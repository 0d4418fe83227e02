"""`docs/results.md`: the study's figures over seeds, with the baselines of each split and what each change is worth."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from yuhee.evaluation.metrics import METRICS
from yuhee.evaluation.statistics import over_seeds

COLUMNS = ("bpc", "chrf", "exact", "copies", "distinct_2", "register", "finished")
HEAD = """# Results

Written by `make study` from `benchmarks/study.yaml`: up to {seeds} training seeds (the column says how many are done) on the one
split of `data.split.seed=0`, mean ± standard deviation over the seeds; below it the first seed's figure and its 95 %
bootstrap interval over the test replies, as of each baseline. Metrics and baselines are defined in
[evaluation.md](evaluation.md); ↓ lower, ↑ higher is better.
"""


def page(study: Mapping[str, Any], root: Path) -> str:
    """The page, of whatever is finished by now."""
    parts = [HEAD.format(seeds=len(study["seeds"]))]
    seeds = ",".join(map(str, study["seeds"]))
    for title, names in study["tables"].items():
        arrows = {"lower": " ↓", "higher": " ↑"}
        heads = [f"{METRICS[name].name}{arrows.get(METRICS[name].direction, '')}" for name in COLUMNS]
        lines = [f"## {title}", "", _line(["what", "seeds", *heads, "val bpc", "minutes"])]
        lines.append(_line(["---"] * (len(heads) + 4)))
        for name in names:
            lines += _rows(study["rows"][name], root / name)
        lines += ["", f"Commands, each with `seed={seeds}`, then `yuhee evaluate <run folder>`:", ""]
        lines += [f"- {study['rows'][name]['title']}: {_command(study['rows'], name)}" for name in names]
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def _command(rows: Mapping[str, Any], name: str) -> str:
    row = rows[name]
    if "original" in row:
        run = rows[row["original"]]["title"]
        command = f"python -m benchmarks.original_run <run of: {run}> <folder> --seed …"
        return f"`{command}`: likelihoods alone, it leaves no model to ask"
    said = " ".join(row["overrides"])
    for other, values in rows.items():
        said = said.replace(f"{{{other}}}", f"<run of: {values['title']}>")
    before = [_command(rows, other) for other in rows if f"{{{other}}}" in " ".join(row["overrides"])]
    return " after ".join([f"`python train.py {said}`", *before])


def _rows(row: Mapping[str, Any], folder: Path) -> list[str]:
    runs = _read(folder, "seed=*/metrics.json")
    found = _read(folder, "seed=*/evaluation/metrics.json")
    if not runs:
        return [_line([row["title"], "0", *[""] * (len(COLUMNS) + 2)])]
    models = [_values(each["systems"]["model"]) for each in found] or [{"bpc": run["test/bpc"]} for run in runs]
    cells = [_over([model.get(name, math.nan) for model in models]) for name in COLUMNS]
    lines = [_line([
        f"**{row['title']}**", _count(len(runs), len(found)), *cells, _over([run["val/bpc"] for run in runs]),
        f"{sum(run['seconds'] for run in runs) / len(runs) / 60:.1f}",
    ])]  # fmt: skip
    shown = list(found[0]["systems"].items()) if found else []
    for name, system in shown if row.get("baselines") else shown[:1]:  # the model is the first
        title = "first seed" if name == "model" else name.replace("_", " ")
        lines.append(_line([f"– {title}", "", *(_interval(system["figures"].get(each)) for each in COLUMNS), "", ""]))
    return lines


def _read(folder: Path, pattern: str) -> list[dict[str, Any]]:
    return [json.loads(file.read_text(encoding="utf-8")) for file in sorted(folder.glob(pattern))]


def _count(trained: int, evaluated: int) -> str:
    return str(trained) if evaluated in (0, trained) else f"{trained}, {evaluated} of them evaluated"


def _values(system: Mapping[str, Any]) -> dict[str, float]:
    return {name: figure["value"] for name, figure in system["figures"].items() if figure["value"] is not None}


def _over(values: list[float]) -> str:
    known = [value for value in values if not math.isnan(value)]
    if not known:
        return ""
    seeds = over_seeds(known)
    if not seeds.sd > 1e-9 * abs(seeds.mean):  # one run, or all alike but for rounding
        return f"{seeds.mean:#.3g}".removesuffix(".")
    decimals = max(0, 1 - math.floor(math.log10(seeds.sd)))  # two digits of the deviation
    return f"{seeds.mean:.{decimals}f} ± {seeds.sd:.{decimals}f}"


def _interval(figure: Mapping[str, Any] | None) -> str:
    if figure is None or figure["value"] is None:
        return ""
    return f"{figure['value']:.3g} [{figure['low']:.3g}, {figure['high']:.3g}]"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
