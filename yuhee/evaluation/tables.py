"""Evaluations in the terminal."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from yuhee.evaluation.emotion_control import SLOTS, Control
from yuhee.evaluation.evaluate import LEAKING
from yuhee.evaluation.metrics import DEFINITIONS
from yuhee.evaluation.result import Evaluation, Interval
from yuhee.evaluation.statistics import Difference, over_seeds
from yuhee.evaluation.verdict import p_value

ARROWS = {"lower": " ↓", "higher": " ↑", "none": ""}
SPLITS = {"group": "묶음 분할(새지 않음)", "row": "행 분할(샘)"}


def figures_table(evaluation: Evaluation) -> Table:
    """Metrics by systems, each with its 95 % interval."""
    setting = evaluation.setting
    table = _table(
        f"{evaluation.run} · {setting['on']} 질문 {setting['questions']:,}개",
        "지표",
        *(s.title for s in evaluation.systems),
    )
    for name in evaluation.systems[0].figures:
        figures = [system.figures[name] for system in evaluation.systems]
        if any(figure.reason is None for figure in figures):
            table.add_row(metric_title(name), *(Text(_interval(figure)) for figure in figures))
    return table


def reasons(evaluation: Evaluation) -> list[str]:
    """Why the model lacks a figure, for each metric that it lacks."""
    model = evaluation.systems[0].figures
    return [
        f"{DEFINITIONS[name].title}: {figure.reason}" for name, figure in model.items() if figure.reason is not None
    ]


def differences_table(first: str, second: str, differences: Mapping[str, Difference]) -> Table:
    """First run minus second, and over how many replies."""
    table = _table(f"{first} − {second}", "지표", "차이", "95 % 구간", "p", "답")
    for name, difference in differences.items():
        if difference.reason is None:
            span = f"{_number(difference.low)} – {_number(difference.high)}"
            count = f"{difference.replies:,}"
            table.add_row(metric_title(name), _number(difference.value), span, p_value(difference.p), count)
    return table


def not_compared(differences: Mapping[str, Difference]) -> list[str]:
    """Why metrics are missing from the table of differences."""
    return [
        f"{DEFINITIONS[name].title}: {difference.reason}"
        for name, difference in differences.items()
        if difference.reason is not None
    ]


def seeds_table(title: str, evaluations: Sequence[Evaluation]) -> Table:
    """Mean ± sample standard deviation over runs that differ in their seed."""
    table = _table(f"{title} · 씨앗 {len(evaluations)}개", "지표", "평균 ± 표준편차")
    for name in evaluations[0].systems[0].figures:
        seeds = over_seeds([evaluation.systems[0].figures[name].value for evaluation in evaluations])
        if seeds.n:
            table.add_row(metric_title(name), f"{_number(seeds.mean)} ± {_number(seeds.sd)}")
    return table


def splits_table(sides: Sequence[Mapping[str, Any]]) -> Table:
    """Systems under two splits of the same corpus side by side, the one by groups first (see `as_beside`)."""
    sides = sorted(sides, key=lambda side: str(side["by"]))
    table = _table(" → ".join(SPLITS[side["by"]] for side in sides), "시스템", *map(metric_title, LEAKING))
    for system in dict.fromkeys(name for side in sides for name in side["systems"]):
        found = [side["systems"].get(system, {"title": "", "figures": {}}) for side in sides]
        cells = [" → ".join(_number(each["figures"].get(name, math.nan)) for each in found) for name in LEAKING]
        table.add_row(Text(max(each["title"] for each in found)), *cells)
    return table


def control_table(control: Control) -> Table:
    """Bits per character by what fills the slot, then how often a reply is read as the label that was asked for."""
    table = _table(
        f"감정 슬롯 · 질문 {control.questions:,}개, 읽는 이: {control.reader}",
        "슬롯",
        "글자당 비트 ↓",
        "참인 표지와의 차이",
        "p",
    )
    for slot, bpc in control.bpc.items():
        more = control.more.get(slot)
        cells = ("", "") if more is None else (f"{more.value:+.4f}", p_value(more.p))
        table.add_row(Text(SLOTS[slot]), _interval(bpc), *cells)
    table.add_section()
    read = f"대답 {control.answered:,}개 (참조를 옳게 읽는 몫 {control.reply_accuracy.value:.0f}%)"
    table.add_row(Text(read), "그 표지로 읽힘 %", "빈 슬롯과의 차이 %p", "p")
    for label, found in control.agreement.items():
        difference = found.difference
        table.add_row(Text(label), _interval(found.asked), f"{difference.value:+.1f}", p_value(difference.p))
    return table


def metric_title(name: str) -> Text:
    """Title, unit and the better direction."""
    metric = DEFINITIONS[name]
    unit = f" ({metric.unit})" if metric.unit else ""
    return Text(metric.title + unit.replace("/", " / ") + ARROWS[metric.direction])


def _table(title: str, *columns: str | Text) -> Table:
    table = Table(title=Text(title))
    for column in columns:
        table.add_column(Text(column) if isinstance(column, str) else column, overflow="fold")
    return table


def _interval(figure: Interval) -> str:
    if figure.reason is not None:
        return "–"
    value, low, high = map(_number, (figure.value, figure.low, figure.high))
    return value if low == high == value else f"{value}\n{low} – {high}"  # spaces: where a narrow column may break it


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3g}" if abs(value) < 100 else f"{value:,.0f}"
