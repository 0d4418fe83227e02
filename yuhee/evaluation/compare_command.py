"""`yuhee compare`: the table in the terminal, and the same with plots as a page, PNGs and CSV."""

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from yuhee.errors import UserError
from yuhee.evaluation.compare import (
    FIGURE,
    RUN,
    SETTING,
    Ranking,
    lower_is_better,
    part,
    rank,
    read_runs,
    warnings_about,
)
from yuhee.evaluation.compare_plots import importance_figure, parallel_figure, scaling_figure
from yuhee.evaluation.importance import Importance, importance
from yuhee.evaluation.plots import korean_font, save_png, svg
from yuhee.evaluation.report import environment, number
from yuhee.evaluation.visible import visible
from yuhee.paths import write_private

OUT = "comparison"
SETTINGS_IN_TERMINAL = 6
WIDEST = 24  # cells of a column in the terminal; what is longer is folded
PLOTS = {
    "parallel": ("설정과 결과", parallel_figure),
    "scaling": ("크기와 결과", scaling_figure),
    "importance": ("설정의 중요도", importance_figure),
}


def compare(paths: Sequence[Path], by: str | None = None, out: Path | None = None, *, each: bool = False) -> Path:
    """Compare runs, print the table, and write `index.html`, `table.csv` and a PNG for each plot.

    Args:
        paths: run folders or folders of them.
        by: figure to sort by; None takes what the runs optimized.
        out: folder to write into; None takes `comparison/` in the folder that all runs share.
        each: a row for every run instead of one for runs that differ in their seed alone.

    Returns:
        the folder.

    Raises:
        UserError: no run, no such figure, or the folder cannot be written.
    """
    runs = read_runs(paths)
    ranking = rank(runs, by, each=each)
    if ranking.figures[ranking.by].isna().all():
        raise UserError(
            f"이 실행들에는 아직 {ranking.by} 값이 없습니다. 첫 검증이 끝난 뒤에 견주거나, --by 로 다른 수치를 골라 주세요."
        )
    explained = importance(runs, ranking.by)
    notes = warnings_about(runs, ranking.by)
    if korean_font() is None:
        notes.append("이 컴퓨터에 한글 글꼴이 없어 그림의 글은 영어로, 없는 글자는 □로 그렸습니다.")
    out = out or _common_folder(runs) / OUT
    try:
        _write(out, runs, ranking, explained, notes)
    except OSError as error:
        raise UserError(f"{out}: 여기에 쓸 수 없습니다({error.strerror}). --out 으로 다른 폴더를 주세요.") from None
    _print(ranking, explained, notes, out)
    return out


def _common_folder(runs: pd.DataFrame) -> Path:
    common = Path(os.path.commonpath([Path(folder).resolve().parent for folder in runs[RUN]["folder"]]))
    return common if common != common.parent else Path.cwd()


def header(ranking: Ranking) -> list[str]:
    """Names of the columns of the table."""
    arrow = "↓" if lower_is_better(ranking.by) else "↑"
    names = [f"{name} {arrow}" if name == ranking.by else name for name in ranking.shown_figures]
    return ["실행", *names, "상태", *map(visible, ranking.settings)]


def rows(ranking: Ranking) -> list[list[str]]:
    """The table as people read it, fit for any place: text that hides or reorders is spelled out."""
    table = []
    for row, members in enumerate(ranking.members):
        name = "/".join(Path(members[0]).parts[-2:]) + (f" 외 {len(members) - 1}" if len(members) > 1 else "")
        settings = [_value(value) for value in ranking.settings.iloc[row]]
        figures = [_figure(ranking, row, figure) for figure in ranking.shown_figures]
        table.append([visible(cell) for cell in (name, *figures, ranking.states[row], *settings)])
    return table


def _value(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _figure(ranking: Ranking, row: int, name: str) -> str:
    mean, deviation = (float(table[name].iloc[row]) for table in (ranking.figures, ranking.deviations))
    return f"{number(mean)} ± {number(deviation)}" if deviation > 0 else number(mean)


def _print(ranking: Ranking, explained: Importance, notes: Sequence[str], out: Path) -> None:
    console = Console(soft_wrap=False)
    table = Table(title=Text(f"실행 {sum(map(len, ranking.members))}개, {ranking.by} 순"))
    names = header(ranking)
    body = rows(ranking)
    shown = _in_terminal(ranking, explained, _widths(names, body), console.width)
    for place in shown:  # names and values are no markup
        table.add_column(Text(names[place].replace(".", ".\n")), overflow="fold")
    for row in body:
        table.add_row(*(Text(row[place]) for place in shown))
    console.print(table)
    if left_out := len(names) - len(shown):
        console.print(Text(f"* 열이 {left_out}개 더 있습니다. 모두 index.html 과 table.csv 에 있습니다."))
    console.print(Text(f"설정의 중요도: {visible(importance_line(explained))}"))
    for name, others in ranking.together.items():
        if others:
            console.print(
                Text(f"* {visible(name)} 열에는 함께 정해진 설정 {len(others)}개가 들어 있습니다(index.html).")
            )
    for note in notes:
        console.print(Text(f"* {visible(note)}"))
    console.print(Text(f"그림과 표: {os.path.relpath(out)}/index.html"), soft_wrap=True)


def _in_terminal(ranking: Ranking, explained: Importance, widths: Sequence[int], room: int) -> list[int]:
    """Places of the columns that fit into a terminal: the figure first, then the most important settings."""
    settings = [str(name) for name in ranking.settings]
    important = [name for name in explained.shares.index if name in settings]
    before = len(widths) - len(settings)
    ordered = [before + settings.index(name) for name in dict.fromkeys([*important, *settings])]
    wanted = [*range(before), *ordered[:SETTINGS_IN_TERMINAL]]
    # run and figure always; of the rest the state, then settings before further figures
    wanted.sort(key=lambda place: (place > 1, place != before - 1, place < before))
    kept: list[int] = []
    used = 1
    for place in wanted:
        if len(kept) < 2 or used + widths[place] <= room:
            kept.append(place)
            used += widths[place]
    return sorted(kept)


def _widths(names: Sequence[str], body: Sequence[Sequence[str]]) -> list[int]:
    """Cells each column takes: its longest word, or piece of a name, and the frame."""
    parts = [[*name.split("."), *(row[place] for row in body)] for place, name in enumerate(names)]
    return [min(max(map(cell_len, each)), WIDEST) + 3 for each in parts]


def importance_line(explained: Importance) -> str:
    """The shares as a sentence, or why there are none."""
    if explained.reason:
        return explained.reason
    shares = ", ".join(f"{name} {100 * share:.0f} %" for name, share in explained.shares[:5].items())
    return f"{shares} (학습에 쓰지 않은 실행에서 R² {explained.explained:.2f})"


def _write(out: Path, runs: pd.DataFrame, ranking: Ranking, explained: Importance, notes: Sequence[str]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    figures = {name: draw(runs, ranking.by) for name, (_, draw) in PLOTS.items()}
    drawn = {name: figure for name, figure in figures.items() if figure is not None}
    for name in PLOTS:
        (out / f"{name}.png").unlink(missing_ok=True)  # of an earlier comparison
    for name, figure in drawn.items():
        save_png(figure, out / f"{name}.png")
    settings = part(runs, SETTING)
    same = {name: settings[name].iloc[0] for name in settings if settings[name].map(repr).nunique() == 1}
    page = (
        environment()
        .get_template("compare.html.j2")
        .render(
            by=ranking.by,
            count=len(runs),
            header=header(ranking),
            rows=rows(ranking),
            together={name: others for name, others in ranking.together.items() if others},
            plots=[(PLOTS[name][0], name, svg(figure)) for name, figure in drawn.items()],
            importance=importance_line(explained),
            notes=notes,
            same={name: _value(value) for name, value in same.items()},
        )
    )
    write_private(out / "index.html", page)
    write_private(out / "table.csv", _csv(runs))


def _csv(runs: pd.DataFrame) -> str:
    """Every run with its settings and figures; a text that a spreadsheet would compute gets a quote in front."""
    flat = pd.concat([part(runs, group) for group in (RUN, SETTING, FIGURE)], axis=1)
    guarded = flat.map(lambda value: f"'{value}" if isinstance(value, str) and value[:1] in "=+-@\t\r" else value)
    return guarded.to_csv(index=False, errors="replace", lineterminator="\n")
