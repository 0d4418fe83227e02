"""Runs side by side: one table of what differs between them and how well they did."""

import difflib
import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from yuhee.errors import UserError
from yuhee.evaluation.metrics import DEFINITIONS
from yuhee.evaluation.runs import FAILED, FINISHED, find_runs, read_run

RUN, SETTING, FIGURE = "run", "setting", "figure"
SEED = "seed"
DEFAULT = "val/bpc"
WITHOUT_EFFECT = (
    "ckpt_path",
    "optimized_metric",
    "logger.",
    "callbacks.checkpoint.",
    "data.num_workers",
    "trainer.log_every_n_steps",
)
OTHER_FIGURES = ("val/bpc", "test/bpc", "evaluation/bpc", "evaluation/chrf", "parameters", "seconds")
_MISSING = "\0missing"


@dataclass(frozen=True, slots=True)
class Ranking:
    """Runs, or groups of runs that differ in their seed alone, the best first.

    Attributes:
        by: figure they are sorted by.
        settings: (rows, settings that differ) values; NaN where a run does not know the setting.
        together: setting → the others that only follow from it, see `differing`.
        figures: figure → mean over the runs of each row; over the finished ones, if there are any.
        deviations: figure → standard deviation over the same runs (n − 1); NaN for a single one.
        states: (rows,) such as `끝남 2, 도는 중 1`.
        members: (rows,) run folders.
    """

    by: str
    settings: pd.DataFrame
    together: dict[str, list[str]]
    figures: pd.DataFrame
    deviations: pd.DataFrame
    states: list[str]
    members: list[list[str]]

    @property
    def shown_figures(self) -> list[str]:
        """Names of the figures of a table: what is sorted by, then the usual ones in which rows differ."""
        usual = [name for name in OTHER_FIGURES if name != self.by and name in self.figures]
        return [self.by, *(name for name in usual if self.figures[name].nunique() > 1)]


def read_runs(paths: Iterable[str | Path]) -> pd.DataFrame:
    """Runs as a table, a row each: finished ones, and those that go on or broke off as far as they came.

    Args:
        paths: run folders, or folders of them (`outputs/sweep/<date>_<time>`, `outputs`).

    Returns:
        columns in three groups: `run` (folder, state, corpus), `setting` (dotted keys), `figure` (`val/bpc`,
        `seconds`, `step`, `parameters`, `tokens_seen`, `evaluation/chrf` …); `attrs["skipped"]` names paths without
        a run, `attrs["chosen"]` the keys that somebody set one by one.

    Raises:
        UserError: there is no run at all.
    """
    folders, skipped = find_runs(Path(path) for path in paths)
    if not folders:
        raise UserError(
            "견줄 실행이 없습니다. outputs/<날짜>/<시각> 이나 outputs/sweep/<날짜>_<시각> 같은 실행 폴더를 주세요."
        )
    rows = []
    chosen: set[str] = set()
    for run in map(read_run, folders):
        chosen |= run.chosen
        row: dict[tuple[str, str], Any] = {
            (RUN, "folder"): str(run.folder),
            (RUN, "state"): run.state,
            (RUN, "corpus"): run.corpus_hash,
        }
        row |= {(SETTING, name): value for name, value in run.settings.items()}
        row |= {(FIGURE, name): value for name, value in run.figures.items()}
        rows.append(row)
    keys = dict.fromkeys(key for row in rows for key in row)
    columns = pd.MultiIndex.from_tuples([key for group in (RUN, SETTING, FIGURE) for key in keys if key[0] == group])
    runs = pd.DataFrame([[row.get(key, math.nan) for key in columns] for row in rows], columns=columns, dtype=object)
    for column in columns:
        if column[0] == FIGURE:
            runs[column] = runs[column].astype(float)
    runs.attrs["skipped"] = [str(path) for path in skipped]
    runs.attrs["chosen"] = chosen
    return runs


def part(runs: pd.DataFrame, group: str) -> pd.DataFrame:
    """One group of columns, also where no run has any."""
    if group not in runs.columns.get_level_values(0):
        return pd.DataFrame(index=runs.index)
    return pd.DataFrame(runs[group])


def differing(runs: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, list[str]]]:
    """Settings in which runs differ, and for each those that only follow from it.

    `model=…` sets twenty values at once: they are one decision, and stand as one column by the model's name. So do
    settings that are equal in every run, since one refers to the other. Any others are decisions of their own, however
    few runs tell them apart: in a search no two runs share a learning rate or a weight decay.
    """
    settings = part(runs, SETTING)
    chosen = runs.attrs.get("chosen", set())
    values = {str(name): tuple(_comparable(value) for value in settings[name]) for name in settings}
    varied = [name for name in values if len(set(values[name])) > 1 and not name.startswith(WITHOUT_EFFECT)]
    partitions = {name: tuple(pd.factorize(np.array(values[name], dtype=object))[0]) for name in varied}
    names = [name for name in sorted(varied, key=_telling) if name.endswith(".name")]
    together: dict[str, list[str]] = {}
    for name in sorted(varied, key=_telling):
        group = next((each for each in names if partitions[each] == partitions[name] and each in together), None)
        equal = next((each for each in together if values[each] == values[name]), None)
        if name != SEED and name not in chosen and (group or equal):
            together[group or str(equal)].append(name)
        else:
            together[name] = []
    kept = sorted(together, key=lambda name: (name == SEED, list(settings).index(name)))
    return settings[kept], {name: sorted(together[name]) for name in kept}


def _telling(name: str) -> tuple[bool, int, str]:
    """The name of a model says more than its dropout."""
    return not name.endswith(".name"), name.count("."), name


def _comparable(value: Any) -> str:
    if value is None:
        return _MISSING  # a run from before there was such a key is as one that leaves it unset
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _MISSING if math.isnan(value) else repr(float(value))  # 1 and 1.0 are one setting
    return f"{type(value).__name__}:{value}"


def lower_is_better(figure: str) -> bool:
    """Losses are; what the registry calls better when higher, and throughputs, are not."""
    metric = DEFINITIONS.get(figure.rpartition("/")[2])
    if metric is not None and metric.direction != "none":
        return metric.direction == "lower"
    return not figure.endswith("_per_second")


def figure_to_sort_by(runs: pd.DataFrame, by: str | None) -> str:
    """The figure that was asked for, or what most of the runs optimized.

    Raises:
        UserError: no run has such a figure.
    """
    names = [str(name) for name in part(runs, FIGURE)]
    if by is None:
        settings = part(runs, SETTING)
        counts = Counter(map(str, settings["optimized_metric"].dropna() if "optimized_metric" in settings else ()))
        return counts.most_common(1)[0][0] if counts else DEFAULT
    for name in (by, f"evaluation-val/{by}", f"evaluation/{by}"):  # settings are chosen on val
        if name in names:
            return name
    if not names:
        raise UserError("이 실행들에는 아직 수치가 없습니다. 첫 검증이 끝난 뒤에 견주세요.")
    near = difflib.get_close_matches(by, names, n=3, cutoff=0.4) or names[:5]
    raise UserError(f"--by {by}: 이 실행들에 그런 수치가 없습니다. 가까운 이름: {', '.join(near)}.")


def rank(runs: pd.DataFrame, by: str | None = None, *, each: bool = False) -> Ranking:
    """Sort runs by a figure, those that differ in nothing but `seed` as one row.

    Args:
        runs: of `read_runs`.
        by: figure; None takes what the runs optimized.
        each: a row for every run, seeds too.

    Raises:
        UserError: no run has that figure.
    """
    by = figure_to_sort_by(runs, by)
    settings, together = differing(runs)
    keys = [str(name) for name in settings if name != SEED]
    comparable = [tuple(_comparable(value) for value in row) for row in settings[keys].itertuples(index=False)]
    groups: dict[Any, list[int]] = {}
    for place, key in enumerate(comparable):
        groups.setdefault(place if each else key, []).append(place)
    if len(groups) == len(runs):
        keys = [str(name) for name in settings]  # no two runs differ in their seed alone
    figures = part(runs, FIGURE)
    if by not in figures:
        figures = figures.assign(**{by: math.nan})
    finished = runs[RUN]["state"] == FINISHED
    counted = [kept if (kept := [p for p in places if finished[p]]) else places for places in groups.values()]
    means = pd.DataFrame([figures.iloc[places].mean() for places in counted])
    deviations = pd.DataFrame([figures.iloc[places].std() for places in counted])
    order = means[by].sort_values(ascending=lower_is_better(by), kind="stable", na_position="last").index
    places_of = list(groups.values())
    return Ranking(
        by,
        settings[keys].iloc[[places_of[row][0] for row in order]].reset_index(drop=True),
        {name: together[name] for name in keys},
        means.loc[order].reset_index(drop=True),
        deviations.loc[order].reset_index(drop=True),
        [_states(runs[RUN]["state"].iloc[places_of[row]]) for row in order],
        [[str(folder) for folder in runs[RUN]["folder"].iloc[places_of[row]]] for row in order],
    )


def _states(states: Iterable[str]) -> str:
    counts = Counter(states)
    return ", ".join(state if sum(counts.values()) == 1 else f"{state} {n}" for state, n in counts.items())


def _differ(settings: pd.DataFrame, name: str) -> bool:
    return name in settings and len({_comparable(value) for value in settings[name]}) > 1


def warnings_about(runs: pd.DataFrame, by: str) -> list[str]:
    """What a reader of the table must know, a sentence each."""
    notes = []
    if skipped := runs.attrs.get("skipped"):
        shown = ", ".join(skipped[:3]) + (" …" if len(skipped) > 3 else "")
        notes.append(f"실행이 없어 건너뛴 곳 {len(skipped)}개: {shown}")
    settings = part(runs, SETTING)
    splits = [name for name in settings if str(name).startswith("data.split.")]
    other_split = any(_differ(settings, str(name)) for name in splits)
    if runs[RUN]["corpus"].nunique() > 1 or other_split:
        notes.append("말뭉치나 분할이 다른 실행이 섞여 있습니다: 시험 대화가 다르면 수치를 견줄 수 없습니다.")
    if by.startswith(("test/", "evaluation/")):
        notes.append("test로 설정을 고르면 그 점수는 더 이상 새 대화에 대한 것이 아닙니다. 설정은 val로 고르세요.")
    figures = part(runs, FIGURE)
    finished = runs[RUN]["state"] == FINISHED
    without = figures[by].isna() if by in figures else pd.Series(True, index=runs.index)
    if never := int((without & finished).sum()):
        notes.append(f"끝났지만 {by} 값이 없는 실행 {never}개는 셈에 들지 않습니다(다른 일을 하는 모델입니다).")
    failed = runs[RUN]["state"] == FAILED
    if lost := int((without & failed).sum()):
        notes.append(f"실패해서 {by} 값이 없는 실행 {lost}개는 셈에 들지 않습니다.")
    if yet := int((without & ~finished & ~failed).sum()):
        notes.append(f"{by} 값이 아직 없는 실행 {yet}개는 셈에 들지 않습니다.")
    if unfinished := int((~finished & ~without).sum()):
        notes.append(
            f"끝까지 가지 않은 실행 {unfinished}개의 값은 metrics.csv에서 지금까지 가장 좋은 val과 마지막 train입니다."
        )
    if by.rpartition("/")[2] in ("bpc", "ppl", "loss") and _differ(settings, "data.max_length"):
        notes.append("data.max_length가 다른 실행은 잘려 나간 답이 달라, 비트와 손실을 서로 다른 답에서 잰 것입니다.")
    return notes
