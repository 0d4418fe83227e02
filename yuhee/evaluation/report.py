"""The report of an evaluation: one page that needs no network, from the verdict down to every reply."""

import base64
import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader
from markupsafe import Markup

from yuhee.data.report import ReadReport
from yuhee.data.report_view import report_charts, report_rows
from yuhee.evaluation.class_report import classes_section
from yuhee.evaluation.emotion_control import SLOTS
from yuhee.evaluation.metrics import DEFINITIONS, METRICS
from yuhee.evaluation.plots import distributions, learning_curves, svg
from yuhee.evaluation.result import Evaluation, Interval
from yuhee.evaluation.runs import read_curves, read_json, read_settings
from yuhee.evaluation.selection import (
    LONG,
    TEXT_LIMIT,
    bits_per_character,
    cut,
    pack,
    pick,
    reply_scores,
    table_rows,
    whole_dialogues,
)
from yuhee.evaluation.verdict import p_value
from yuhee.evaluation.visible import visible
from yuhee.paths import write_private

PICKED = 8  # best, middle and worst replies
TALKS = 6  # whole dialogues
FIRST_ROWS = 20  # of all replies that are there without JavaScript
ARROWS = {"higher": "↑", "lower": "↓"}
DIRECTIONS = {"higher": "높을수록 좋음", "lower": "낮을수록 좋음"}
SECTIONS = ("other_split", "emotion_control")  # of the setting, that have tables of their own
SUMMARY = {"corpus": "말뭉치", "model": "모델", "split.by": "분할", "on": "시험한 부분"}


@dataclass(frozen=True, slots=True)
class ShownMetric:
    """A metric as the page names it; one that the registry does not know goes by its key."""

    name: str
    title: str
    definition: str
    direction: str
    unit: str
    source: str

    @property
    def arrow(self) -> str:
        return ARROWS.get(self.direction, "")


@dataclass(frozen=True, slots=True)
class HeadlineRow:
    """One metric over all systems; `best` names the systems with the best value, none where all are alike."""

    metric: ShownMetric
    figures: tuple[Interval | None, ...]
    best: frozenset[str]

    @property
    def arrow(self) -> str:
        return self.metric.arrow

    @property
    def direction(self) -> str:
        return DIRECTIONS.get(self.metric.direction, "좋고 나쁨이 없음")


def write_report(evaluation: Evaluation, run_folder: Path, target: Path) -> None:
    """Write the page, readable by its owner alone: it holds the corpus's own words.

    Args:
        evaluation: what to show; the model is its first system.
        run_folder: learning curves, configuration and corpus report are read from it, as far as it has them.
        target: the file.
    """
    write_private(target, report_page(evaluation, run_folder))


def report_page(evaluation: Evaluation, run_folder: Path) -> str:
    """The page as HTML."""
    setting = _flat({name: value for name, value in evaluation.setting.items() if name not in SECTIONS})
    values = {
        "evaluation": evaluation,
        "run": "/".join(Path(evaluation.run).parts[-2:]),
        "model": evaluation.systems[0],
        "setting": setting,
        "whole": evaluation.setting.get("questions_in_split"),
        "summary": [(SUMMARY[name], value) for name, value in setting if name in SUMMARY],
        "headline": headline(evaluation),
        "reasons": _reasons(evaluation),
        "other_split": _other_split(evaluation),
        "against": _against(evaluation),
        "control": evaluation.setting.get("emotion_control"),
        "slots": SLOTS,
        "p_value": p_value,
        "slices": _slices(evaluation),
        "curves": {name: svg(figure) for name, figure in learning_curves(read_curves(run_folder)).items()},
        "config": read_settings(run_folder),
        "corpus": _corpus(run_folder),
        "privacy": _privacy(run_folder),
        **_replies(evaluation),
        **(classes_section(evaluation, evaluation.classes) if evaluation.classes else {}),
    }
    return environment().get_template("report.html.j2").render(sections=_sections(values), **values)


def environment() -> Environment:
    """Templates that escape everything; `visible`, `number` and `cut` are what our pages share."""
    made = Environment(loader=PackageLoader("yuhee.evaluation"), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    made.filters |= {"visible": visible, "number": number, "cut": cut}
    return made


def number(value: float) -> str:
    """A figure with as many digits as a reader can use."""
    if not math.isfinite(value):
        return "–"
    if abs(value) >= 1e6:
        return f"{value / 1e6:,.2f}M"
    digits = 0 if abs(value) >= 1000 else 1 if abs(value) >= 10 else 3
    return f"{value:,.{digits}f}"


def shown_metric(name: str) -> ShownMetric:
    metric = DEFINITIONS.get(name)
    if metric is None:
        return ShownMetric(name, name, "", "none", "", "")
    return ShownMetric(name, metric.title, metric.definition, metric.direction, metric.unit, metric.source)


def headline(evaluation: Evaluation) -> list[HeadlineRow]:
    """Metrics in the registry's order, those that no system has left out, unknown ones last."""
    named = dict.fromkeys(name for system in evaluation.systems for name in system.figures)
    ordered = [name for name in DEFINITIONS if name in named] + [name for name in named if name not in DEFINITIONS]
    rows = []
    for name in ordered:
        metric = shown_metric(name)
        figures = tuple(system.figures.get(name) for system in evaluation.systems)
        values = {
            system.name: figure.value
            for system, figure in zip(evaluation.systems, figures, strict=True)
            if figure and math.isfinite(figure.value)
        }
        rows.append(HeadlineRow(metric, figures, _best(values, metric.direction)))
    return rows


def _best(values: Mapping[str, float], direction: str) -> frozenset[str]:
    if direction not in ARROWS or len(set(values.values())) < 2:
        return frozenset()
    best = max(values.values()) if direction == "higher" else min(values.values())
    return frozenset(name for name, value in values.items() if value == best)


def _reasons(evaluation: Evaluation) -> list[str]:
    """Why figures are missing, each reason once: the page's footnotes."""
    model = evaluation.systems[0]
    sliced = [figures for values in model.slices.values() for figures in values.values()]
    everything = [*(system.figures for system in evaluation.systems), *sliced]
    return list(dict.fromkeys(found.reason for figures in everything for found in figures.values() if found.reason))


def _slices(evaluation: Evaluation) -> dict[str, dict[str, Any]]:
    """Slice → its metrics and rows of (value, figures)."""
    tables = {}
    for name, values in evaluation.systems[0].slices.items():
        present = [metric for metric in METRICS if any(metric in figures for figures in values.values())]
        rows = [(value, [figures.get(metric) for metric in present]) for value, figures in values.items()]
        tables[name] = {"metrics": [shown_metric(metric) for metric in present], "rows": rows}
    return tables


def _other_split(evaluation: Evaluation) -> dict[str, Any] | None:
    """What `--split row` kept: figures under the other split, as (title, value of each metric)."""
    other = evaluation.setting.get("other_split")
    if not other:
        return None
    systems = other["systems"].values()
    names = [name for name in METRICS if any(name in system["figures"] for system in systems)]
    rows = [(system["title"], [system["figures"].get(name) for name in names]) for system in systems]
    return {"by": other["by"], "metrics": [shown_metric(name) for name in names], "rows": rows}


def _against(evaluation: Evaluation) -> dict[str, Any] | None:
    """Another run that it was compared with."""
    if not evaluation.against:
        return None
    found = [(shown_metric(name), values) for name, values in evaluation.against["differences"].items()]
    return {
        "run": "/".join(Path(evaluation.against["run"]).parts[-2:]),
        "rows": [(metric, values) for metric, values in found if "reason" not in values],
        "reasons": [f"{metric.title}: {values['reason']}" for metric, values in found if "reason" in values],
    }


def _replies(evaluation: Evaluation) -> dict[str, Any]:
    """Everything about single replies; nothing where the model wrote none."""
    model = evaluation.systems[0]
    if not model.answers:
        return {}
    scores = reply_scores(evaluation)
    bits = bits_per_character(evaluation.questions, model.answers)
    packed, shown = pack(evaluation, scores, bits)
    script = environment().loader.get_source(environment(), "replies.js")[0]  # type: ignore[union-attr]
    return {
        "scores": scores,
        "picked": pick(scores, bits, PICKED),
        "talks": whole_dialogues(evaluation, TALKS),
        "plots": _plots(evaluation, scores),
        "first_rows": table_rows(evaluation, scores, bits, range(min(FIRST_ROWS, len(scores)))),
        "packed": packed,
        "shown": shown,
        "text_limit": TEXT_LIMIT,
        "long": LONG,
        "script": Markup(script),  # noqa: S704 # our own file
        # the one script that the page's policy lets run
        "script_hash": f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'",
    }


def _plots(evaluation: Evaluation, scores: Sequence[float]) -> dict[str, Markup]:
    model, *baselines = evaluation.systems
    lengths = {
        "모델": [len(answer.text) for answer in model.answers],
        "참조": [len(question.reference) for question in evaluation.questions],
    }
    chrf = {"모델": scores}
    nearest = next((system for system in baselines if system.name == "nearest_question" and system.answers), None)
    if nearest:
        chrf[nearest.title] = reply_scores(Evaluation(**{**_fields(evaluation), "systems": (nearest,)}))
    bits = {
        system.title if system is not model else "모델": [
            value for value in bits_per_character(evaluation.questions, system.answers) if value is not None
        ]
        for system in evaluation.systems
        if system.answers
    }
    drawn = {
        "답의 길이": distributions(lengths, "글자", whole=True),
        "답마다 참조와의 chrF (↑)": distributions(chrf, "chrF"),
        "참조마다 글자당 비트 (↓)": distributions(bits, "글자당 비트"),
    }
    return {name: svg(figure) for name, figure in drawn.items() if figure is not None}


def _fields(evaluation: Evaluation) -> dict[str, Any]:
    return {name: getattr(evaluation, name) for name in Evaluation.__slots__}


def _privacy(run_folder: Path) -> str:
    """`public`, `masked` or `unmasked`; a corpus of which nothing is known may be anybody's."""
    report = read_json(run_folder / "read_report.json")
    return str(report.get("privacy", "public" if report.get("private") is False else "unmasked"))


def _corpus(run_folder: Path) -> dict[str, Any] | None:
    values = read_json(run_folder / "read_report.json")
    try:
        report = ReadReport.from_dict(values)
        return {"rows": report_rows(report), "charts": report_charts(report)} if values else None
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def _flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            rows += _flat(value, f"{prefix}{name}.")
        elif isinstance(value, list | tuple):
            rows.append((f"{prefix}{name}", ", ".join(map(str, value))))
        else:
            rows.append((f"{prefix}{name}", "–" if value is None else str(value)))
    return rows


def _sections(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Anchors and names of the sections that the page has."""
    optional = {
        "matrix": ("labels", "감정마다"),
        "wrong": ("wrong", "틀린 글"),
        "against": ("against", "다른 실행"),
        "control": ("emotion", "감정 슬롯"),
        "curves": ("curves", "학습 곡선"),
        "plots": ("distributions", "길이와 점수"),
        "slices": ("slices", "나누어 보기"),
        "picked": ("replies", "좋은 답과 나쁜 답"),
        "talks": ("talks", "대화"),
        "first_rows": ("all", "모든 답"),
    }
    between = [section for key, section in optional.items() if values.get(key)]
    return [("systems", "기준선"), *between, ("settings", "설정"), ("corpus", "말뭉치")]
