"""Sides in processes of their own, in turn, several rounds: what they print, their medians and their ratios."""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
Result = dict[str, Any]


def run_side(name: str, spec: Mapping[str, Any]) -> Result:
    """Run one side in a fresh process.

    Returns:
        what the side reported, with `peak_mb`; or `{"skipped": reason}` where a package is missing, or
        `{"failed": reason}`.
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    environment |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "true", "WANDB_MODE": "disabled"}
    environment["YUHEE_CACHE_DIR"] = str(Path(spec["work"]) / "cache")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.side", name],
        input=json.dumps(dict(spec)),
        capture_output=True,
        text=True,
        env=environment,
        cwd=spec["work"],
        check=False,
    )
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        reason = (done.stderr.strip().splitlines() or ["no output"])[-1]
        return {"failed": f"exit {done.returncode}: {reason[:300]}"}
    result: Result = json.loads(lines[-1])
    return result


def alternate(sides: Mapping[str, tuple[str, Mapping[str, Any]]], rounds: int) -> dict[str, list[Result]]:
    """A B C, A B C, …: every side once per round, in a process of its own.

    Args:
        sides: label → (side, spec); the spec gets the round's number as `seed`. A side that is skipped or fails is
            not tried again.
    """
    results: dict[str, list[Result]] = {label: [] for label in sides}
    for number in range(1, rounds + 1):
        for label, (name, spec) in sides.items():
            if any(problem(result) for result in results[label]):
                continue
            start = time.monotonic()
            results[label].append(run_side(name, {**spec, "seed": number}))
            say(f"round {number}/{rounds}  {label}: {summary(results[label][-1])}  ({time.monotonic() - start:.0f} s)")
    return results


def problem(result: Result) -> str | None:
    """Why there are no figures, if there are none."""
    return result.get("skipped") or result.get("failed")


def medians(results: Sequence[Result]) -> Result:
    """Median of every figure over the rounds; a problem, if there was one, instead."""
    for result in results:
        if problem(result):
            return result
    return {key: _median([result[key] for result in results]) for key in results[0]}


def _median(values: Sequence[Any]) -> Any:
    """Of numbers, or of lists of numbers place by place; of anything else the first."""
    if isinstance(values[0], list):
        return [_median(column) for column in zip(*values, strict=True)]
    return statistics.median(values) if isinstance(values[0], (int, float)) else values[0]


def summary(result: Result) -> str:
    if reason := problem(result):
        return reason
    numbers = {key: value for key, value in result.items() if isinstance(value, (int, float))}
    return "  ".join(f"{key} {value:.4g}" for key, value in list(numbers.items())[:5])


def say(line: str) -> None:
    """A line of progress."""
    print(line, file=sys.stderr, flush=True)
