"""Run folders as they lie on the disk: also of runs that go on, broke off, or come from another version."""

import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
import pandas as pd
import yaml
from safetensors import SafetensorError, safe_open

from yuhee.paths import is_running

FINISHED, RUNNING, STOPPED, FAILED, PRUNED = "끝남", "도는 중", "멈춤", "실패", "가지치기"
DEPTH = 3  # folders between a named folder and its runs, as in outputs/sweep/<date>_<time>/<job>
_REFERENCE = re.compile(r"\$\{([\w.]+)\}")
_DATA_PATH = re.compile(r"data\.(.+\.)?path")
_DIGITS = re.compile(r"(\d+)")


@dataclass(frozen=True, slots=True)
class Run:
    """One run folder.

    Attributes:
        folder: of the run.
        state: `FINISHED`; `RUNNING` (its folder is held); `PRUNED` or `FAILED` by a sweep's word (`job.json`); without
            that, `STOPPED` if it can go on from a checkpoint, else `FAILED`.
        settings: dotted key → value, fit to be shown (see `read_settings`).
        figures: metric → value, as in `metrics.json`; before the end what `metrics.csv` says so far. Also `step`
            (optimizer steps), `parameters` (of the network), `tokens_seen` and what `yuhee evaluate` found
            (`evaluation/chrf` …) where they are known.
        corpus_hash: of what it was trained on, None where nothing says so.
        chosen: dotted keys that its command line named one by one.
    """

    folder: Path
    state: str
    settings: Mapping[str, Any]
    figures: Mapping[str, float]
    corpus_hash: str | None
    chosen: frozenset[str] = frozenset()


def is_run(folder: Path) -> bool:
    """Whether a run was begun in a folder."""
    return (folder / ".hydra" / "config.yaml").is_file() or (folder / "metrics.csv").is_file()


def find_runs(paths: Iterable[Path]) -> tuple[list[Path], list[Path]]:
    """Run folders among and below `paths`, each once, jobs in the order of their numbers; and the paths without one."""
    found: dict[Path, Path] = {}
    empty = []
    for path in paths:
        if not (runs := _runs_below(path, DEPTH)):
            empty.append(path)
        for run in runs:
            found.setdefault(run.resolve(), run)
    return list(found.values()), empty


def _runs_below(folder: Path, depth: int) -> list[Path]:
    if is_run(folder):
        return [folder]
    if depth == 0 or not folder.is_dir():
        return []
    children = sorted((child for child in folder.iterdir() if child.is_dir()), key=_natural)
    return [run for child in children for run in _runs_below(child, depth - 1)]


def _natural(path: Path) -> list[tuple[int, str]]:
    """Sort key by which 2 comes before 10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in _DIGITS.split(path.name)]


def read_run(folder: Path) -> Run:
    """What a run folder says; whatever is missing or broken is left out."""
    settings = read_settings(folder)
    final = read_json(folder / "metrics.json")
    curves = read_curves(folder)
    optimized = str(settings.get("optimized_metric", "val/bpc"))
    figures = {**last_figures(curves, optimized), **_numbers(final)}
    if (parameters := _parameters(folder)) is not None:
        figures["parameters"] = parameters
    if (tokens := _tokens_seen(figures, settings)) is not None:
        figures["tokens_seen"] = tokens
    figures |= _evaluated(folder)
    corpus_hash = final.get("corpus_hash") or read_json(folder / "read_report.json").get("corpus_hash")
    known = str(corpus_hash) if corpus_hash else None
    return Run(folder, _state(folder), settings, figures, known, _chosen(folder))


def read_settings(folder: Path) -> dict[str, Any]:
    """The configuration as dotted key → plain value, references inside it resolved, `hydra` left out.

    Where files lie on somebody's machine stays there: a corpus's path becomes `#` and six digits of its hash, so
    that two corpora can be told apart, and any other absolute path its last part. References to the environment
    (`${oc.env:…}`) are not resolved: a page is passed on, and the environment holds keys.
    """
    try:
        values = yaml.safe_load((folder / ".hydra" / "config.yaml").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return {}
    flat = _flat(values) if isinstance(values, dict) else {}
    resolved = {key: _resolved(value, flat) for key, value in flat.items() if not key.startswith("hydra.")}
    return {key: _shown(key, value) for key, value in resolved.items()}


def _chosen(folder: Path) -> frozenset[str]:
    """Keys of the overrides that set one value; `model=…` chooses a file and has no dot."""
    try:
        overrides = yaml.safe_load((folder / ".hydra" / "overrides.yaml").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return frozenset()
    keys = (str(override).lstrip("+~").partition("=")[0] for override in overrides or ())
    return frozenset(key for key in keys if "." in key)


def _flat(values: Mapping[Any, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        elif isinstance(value, list):
            flat[f"{prefix}{key}"] = ", ".join(str(item) for item in value)
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _resolved(value: Any, flat: Mapping[str, Any], depth: int = 8) -> Any:
    if depth and isinstance(value, str) and (whole := _REFERENCE.fullmatch(value)) and whole[1] in flat:
        return _resolved(flat[whole[1]], flat, depth - 1)
    return value


def _shown(key: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if _DATA_PATH.fullmatch(key):
        return "#" + hashlib.blake2b(value.encode(errors="replace"), digest_size=3).hexdigest()
    if PurePosixPath(value).is_absolute() or PureWindowsPath(value).drive or value.startswith("~"):
        return f"…/{PureWindowsPath(value).name}"  # knows both kinds of slash
    return value


def read_json(path: Path) -> dict[str, Any]:
    """A file's object; empty if there is none, or it is no such file."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def read_curves(folder: Path) -> pd.DataFrame:
    """The rows of `metrics.csv` as numbers; empty if there are none. The last line of a running run may be half."""
    try:
        rows: pd.DataFrame = pd.read_csv(
            folder / "metrics.csv", on_bad_lines="skip", dtype=str, encoding_errors="replace"
        )
    except (OSError, ValueError):  # pandas' own errors are ValueErrors
        return pd.DataFrame()
    return pd.DataFrame({str(name): pd.to_numeric(rows[name], errors="coerce") for name in rows})


def last_figures(curves: pd.DataFrame, optimized: str = "val/bpc") -> dict[str, float]:
    """What the rows so far say: `val/` where `optimized` was lowest, as `best.ckpt` was chosen; else the last value."""
    figures = {str(name): float(values[-1]) for name in curves if len(values := curves[name].dropna().to_numpy())}
    if optimized in figures:
        best = curves.iloc[int(np.nanargmin(curves[optimized].to_numpy()))]
        figures |= {name: float(best[name]) for name in figures if name.startswith("val/") and not pd.isna(best[name])}
    return figures


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    return {key: float(value) for key, value in values.items() if isinstance(value, int | float)}


def _state(folder: Path) -> str:
    if (folder / ".lock").exists() and is_running(folder, patience=0):
        return RUNNING
    if (folder / "metrics.json").is_file():
        return FINISHED
    told = {"pruned": PRUNED, "failed": FAILED}.get(str(read_json(folder / "job.json").get("status")))
    return told or (STOPPED if any((folder / "checkpoints").glob("*.ckpt")) else FAILED)


def _evaluated(folder: Path) -> dict[str, float]:
    """The model's figures of `yuhee evaluate`, as `evaluation/chrf`, of val as `evaluation-val/chrf`.

    Evaluations of some of the questions, or with other ways of decoding, lie in folders of other names and do not count:
    they compare with nothing. A file of another format has no figures.
    """
    values: dict[str, Any] = {}
    for name in ("evaluation", "evaluation-val"):
        try:
            model = next(iter(read_json(folder / name / "metrics.json")["systems"].values()))["figures"]
            values |= {f"{name}/{metric}": figure["value"] for metric, figure in model.items()}
        except (AttributeError, KeyError, StopIteration, TypeError):
            continue
    return _numbers(values)


def _parameters(folder: Path) -> float | None:
    """Weights of the bundle, shared ones once: its file says their shapes without loading them."""
    total = 0
    try:
        for file in sorted((folder / "bundle").glob("*.safetensors")):
            with safe_open(file, framework="numpy") as weights:
                total += sum(math.prod(weights.get_slice(name).get_shape()) for name in weights.keys())  # noqa: SIM118
    except (OSError, SafetensorError):
        return None
    return float(total) or None


def _tokens_seen(figures: Mapping[str, float], settings: Mapping[str, Any]) -> float | None:
    """Training tokens = steps × dialogues a step × tokens a dialogue, the last by the two measured rates."""
    try:
        devices = settings.get("trainer.devices")
        dialogues = settings["data.batch_size"] * settings.get("trainer.accumulate_grad_batches", 1)
        dialogues *= devices if isinstance(devices, int) and devices > 0 else 1
        rate = figures["train/tokens_per_second"] / figures["train/examples_per_second"]
        return float(figures["step"] * dialogues * rate)
    except (KeyError, TypeError, ZeroDivisionError):
        return None
