"""A `ReadReport` for people: a table in the terminal, and one self-contained page."""

from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, PackageLoader
from rich.table import Table
from rich.text import Text

from yuhee.data.report import LONG_TURN, MANY_TURNS, WEEKDAYS, ReadReport
from yuhee.paths import write_private

SKIPPED_SHOWN = 20
PRIVACY = {
    "public": "공개된 말뭉치",
    "masked": "개인정보를 가리고 읽음",
    "unmasked": "가리지 않음 (비공개: 이것으로 만든 모델을 남에게 주지 마세요)",
}
KINDS = {
    "text": "글",
    "photo": "사진",
    "video": "동영상",
    "emoticon": "이모티콘",
    "voice": "음성",
    "file": "파일",
    "location": "지도",
    "contact": "연락처",
    "search": "검색",
    "call": "통화",
    "money": "송금·선물",
    "board": "게시판",
    "notice": "알림",
    "deleted": "삭제됨",
    "header": "머리말",
    "separator": "날짜 줄",
    "blank": "빈 줄",
    "media": "미디어",
}
_CHARACTER_STEP = 10
_TURN_STEP = 2


def report_table(report: ReadReport) -> Table:
    """The figures."""
    table = Table(title=Text(f"{report.source}: 읽은 것"), show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in report_rows(report):
        table.add_row(Text(name), Text(value))  # labels and names are no markup
    return table


def skipped_table(report: ReadReport) -> Table:
    """The first lines that were not understood."""
    table = Table(title="읽지 못한 줄", show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for line, reason in report.skipped[:SKIPPED_SHOWN]:
        table.add_row(f"{line}번째", Text(reason))
    if (rest := len(report.skipped) - SKIPPED_SHOWN) > 0:
        table.add_row("…", f"그 밖에 {rest:,}개 (모두 보고서에 있습니다)")
    return table


def report_page(report: ReadReport) -> str:
    """One HTML page with tables and plots, no script and nothing from a network."""
    environment = Environment(loader=PackageLoader("yuhee.data"), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.get_template("report.html.j2").render(
        report=report, rows=report_rows(report), charts=report_charts(report)
    )


def report_charts(report: ReadReport) -> dict[str, dict[str, int]]:
    """The distributions, by name: counts in the order of their bars; those without a count are left out."""
    charts = {
        "한 대화의 차례 수": _binned(report.dialogue_turns, _TURN_STEP, MANY_TURNS),
        "한 차례의 글자 수": _binned(report.turn_characters, _CHARACTER_STEP, LONG_TURN),
        "시간대": {f"{hour}시": report.hours[hour] for hour in range(24)} if report.hours else {},
        "요일": {day: report.weekdays[place] for place, day in enumerate(WEEKDAYS)} if report.weekdays else {},
        "감정 표지": dict(sorted(report.labels.items())),
        "대답의 말투": dict(report.registers.most_common()),
        "자주 나오는 끝말": report.top_endings(),
    }
    return {name: values for name, values in charts.items() if any(values.values())}


def save_page(report: ReadReport, path: Path) -> None:
    """Write the page."""
    write_private(path, report_page(report))


def report_rows(report: ReadReport) -> list[tuple[str, str]]:
    """The figures as (name, value), for people."""
    rows = [("대화", f"{report.dialogues:,}"), ("차례", f"{report.turns:,}")]
    rows += [(f"차례 · {speaker}", f"{count:,}") for speaker, count in report.speakers.most_common(12)]
    if report.lines:
        rows.append(("줄·기록", f"{report.lines:,} (이어지는 줄 {report.continuations:,})"))
    if report.kinds:
        rows.append(("종류", _listed({KINDS.get(kind, kind): n for kind, n in report.kinds.most_common()})))
    if report.labels:
        rows.append(("감정 표지", _listed(dict(sorted(report.labels.items())))))
    rows.append(("말투", _listed(dict(report.registers.most_common()))))
    rows.append(("개인정보", PRIVACY[report.privacy] + (f": {_listed(report.masked)}" if report.masked else "")))
    if report.encoding:
        rows.append(("글자 부호", report.encoding))
    rows.append(("읽지 못한 것", f"{len(report.skipped):,}"))
    return rows


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


def _binned(counts: Mapping[int, int], step: int, last: int) -> dict[str, int]:
    """Counts per bin of `step` values, the bins in order without gaps up to the last used one."""
    bins: dict[int, int] = {}
    for value, count in counts.items():
        bins[value // step] = bins.get(value // step, 0) + count
    return {
        f"{place * step}+" if place * step >= last else f"{place * step}–{place * step + step - 1}": bins.get(place, 0)
        for place in range(min(bins, default=0), max(bins, default=-1) + 1)
    }
