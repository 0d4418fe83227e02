"""`yuhee probe`: run the audits, show them, and write them into the bundle and its card."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from yuhee.bundle import add_fact, load
from yuhee.chat.terminal import printable
from yuhee.errors import UserError
from yuhee.evaluation.probe import NO_CANARIES, completed, copied, planted
from yuhee.evaluation.run_data import open_run, run_folder_of

FORMAT = "yuhee-probe/1"


def probe_path(path: Path, data_path: str | None = None) -> dict[str, Any]:
    """Audit a model and print what was found.

    A bundle or run folder gets the result into `yuhee.json` and its model card; of a private corpus the numbers alone.

    Args:
        path: run folder, a bundle in it or a checkpoint; a bundle anywhere else gets the audit by canaries alone.
        data_path: where the corpus lies now, if it was moved.

    Returns:
        The result as plain values, examples included.

    Raises:
        UserError: nothing can be audited.
    """
    path = path.expanduser()
    console = Console()
    if (path / "yuhee.json").is_file() and run_folder_of(path.resolve()) is None:
        model = load(path)
        found: dict[str, Any] = {"format": FORMAT, "canaries": planted(model)}
        if "reason" in found["canaries"]:
            raise UserError(f"{path}: {NO_CANARIES} 베낀 답을 보려면 .hydra/ 가 든 실행 폴더를 주세요.")
        personal = model.facts.get("privacy", "public") != "public"
    else:
        run = open_run(path, data_path)
        found = {
            "format": FORMAT,
            "canaries": planted(run.companion.model),
            "copies": copied(run),
            "completions": completed(run),
        }
        personal = run.personal
    _print(found, console)
    for folder in (path, path / "bundle"):
        if (folder / "yuhee.json").is_file():
            add_fact(folder, "probe", numbers(found) if personal else found)
            console.print(Text(f"결과를 {folder}/yuhee.json 과 모델 카드에 적었습니다."))
    return found


def numbers(found: dict[str, Any]) -> dict[str, Any]:
    """The result without text of the corpus."""
    return {
        name: {key: value for key, value in section.items() if key != "examples"}
        if isinstance(section, dict)
        else section
        for name, section in found.items()
    }


def _print(found: dict[str, Any], console: Console) -> None:
    table = Table(title="외운 것", show_header=False)
    for name, value in _rows(found):
        table.add_row(Text(name), Text(value))
    if table.row_count:
        console.print(table)
    if "reason" in found["canaries"]:
        console.print(Text(found["canaries"]["reason"]))
    for name, title in (("copies", "가장 길게 베낀 답"), ("completions", "첫 토큰만 주어도 나온 학습 답")):
        examples = found.get(name, {}).get("examples", [])
        if examples:
            console.print(Text(title, style="bold"))
        for example in examples:
            console.print(Text(f"  {printable(example['question'])} → {printable(example['reply'])}"))


def _rows(found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if "reason" not in (canaries := found["canaries"]):
        bits = canaries["exposure"]
        said = f"평균 {bits['mean']:.1f}, 중앙값 {bits['median']:.1f}, 최대 {bits['max']:.1f}"
        yield "심어 둔 비밀의 노출도(비트)", f"{said} (우연 {bits['chance']:.1f}, 다 외움 10)"
        yield "그대로 말해 버린 비밀", f"{canaries['count']}개 가운데 {canaries['extracted']}개"
    if "copies" in found:
        figures = {name: found["copies"][name]["value"] for name in ("copies", "copied_length", "longest_copy")}
        yield "학습 답을 그대로 베낀 답", f"{figures['copies']:.1f} %"
        yield "베낀 글 길이", f"평균 {figures['copied_length']:.1f}자, 최대 {figures['longest_copy']:.0f}자"
    for name, title in (("train", "학습 답"), ("test", "본 적 없는 시험 답")) if "completions" in found else ():
        side, prefix = found["completions"][name], found["completions"]["prefix"]
        yield f"첫 {prefix}토큰에서 나머지를 그대로: {title}", f"{side['tried']:,}개 가운데 {side['completed']:,}개"
