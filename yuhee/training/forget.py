"""`yuhee forget`: find and delete everything that was made from a corpus."""

import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.text import Text

from yuhee.data.corpus_cache import remembered
from yuhee.data.importing import page_path
from yuhee.data.receipt import receipt_path
from yuhee.data.report import origin_of
from yuhee.errors import UserError
from yuhee.paths import is_running, partials

# Folders that hold no imports; looking into them would take minutes.
_NOT_HERE = {".git", ".venv", "node_modules", "__pycache__"}


def forget(corpus: Path, outputs: Path, *, yes: bool = False) -> list[Path]:
    """List what was made from a corpus, and delete it once the user agrees.

    Found are: the imported file with its reports, other imports of the same source below the current folder, the text
    of such a file that was called public and is kept in the user's cache, and every run below `outputs` that read any
    of these or went on from the weights of one that did (its cache, checkpoints and bundle are in its folder). The
    original export is the user's own and stays.

    Args:
        corpus: an imported file or the file it was made from, which may be gone already.
        outputs: where the run folders are.
        yes: do not ask.

    Returns:
        What was deleted.

    Raises:
        UserError: nothing was found, a run is still going on, or the user was not asked and did not say `--yes`.
    """
    console = Console(soft_wrap=True)
    corpus = corpus.expanduser()
    imports, origins = _imports(corpus)
    runs = _runs(outputs.expanduser(), origins, corpus)
    files = [file for out in imports for file in (out, receipt_path(out), page_path(out), *partials(out))]
    found = [file for file in files if file.exists()] + remembered(origins) + runs
    if not found:
        raise UserError(f"{corpus}: 이 말뭉치로 만든 것을 찾지 못했습니다. 경로와 --outputs를 확인해 주세요.")
    for path in found:
        console.print(Text(f"  {path}{'/' if path.is_dir() else ''}"))
    if busy := [run for run in runs if is_running(run)]:
        raise UserError(f"{busy[0]}: 아직 학습 중이라 지우지 않았습니다. 멈춘 뒤 다시 시도해 주세요.")
    if not yes and not _agrees(console, len(found)):
        raise UserError("지우지 않았습니다. 지우려면 --yes를 붙이거나 터미널에서 y로 답해 주세요.")
    for path in found:
        shutil.rmtree(path) if path in runs else path.unlink()
    console.print(
        Text(f"{len(found)}가지를 지웠습니다. 원본 파일, 가명표(--save-mapping), 다른 곳에 복사한 것은 그대로입니다.")
    )
    return found


def _imports(corpus: Path) -> tuple[list[Path], set[str]]:
    """Imports made from a corpus or from its source, directly or by way of each other, and all their origins."""
    origins = {origin_of(corpus)}
    candidates: dict[Path, tuple[Path, set[str]]] = {}
    for receipt in (receipt_path(corpus), receipt_path(corpus.resolve()), *_receipts(Path.cwd())):
        out = receipt.with_name(receipt.name.removesuffix(".report.json"))
        values = _read(receipt)
        if receipt.is_file() and (values is None or str(values.get("format")).startswith("yuhee-import/")):
            candidates.setdefault(out.parent.resolve() / out.name, (out, {*_origins(values), origin_of(out)}))
    if named := candidates.get(corpus.resolve()):
        origins |= named[1]
    found: dict[Path, Path] = {}
    while more := {key: each for key, each in candidates.items() if key not in found and origins & each[1]}:
        found |= {key: out for key, (out, _) in more.items()}
        origins |= {origin_of(out) for out, _ in more.values()}
    return list(found.values()), origins


def _receipts(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in _NOT_HERE]
        yield from (Path(place) / name for name in files if name.endswith(".report.json"))


def _runs(outputs: Path, origins: set[str], corpus: Path) -> list[Path]:
    """Run folders that read any of the origins.

    Raises:
        UserError: such a folder holds something else: another run, the corpus, or the current folder.
    """
    reports = sorted(outputs.rglob("read_report.json"))
    runs = [report.parent for report in reports if origins & _origins(_read(report))]
    others = [report.parent for report in reports if report.parent not in runs]
    while more := [run for run in others if run not in runs and _started_from(run, runs)]:
        runs += more
    kept = [*(other for other in others if other not in runs), corpus, Path.cwd()]
    runs = [run for run in runs if not any(other in run.parents for other in runs)]
    for run in runs:
        if inside := [other for other in kept if other.exists() and other.resolve().is_relative_to(run.resolve())]:
            raise UserError(
                f"{run}: 다른 것이 든 실행 폴더라 지우지 않았습니다. {inside[0]} 을(를) 옮긴 뒤 다시 시도해 주세요."
            )
    return runs


def _started_from(run: Path, runs: list[Path]) -> bool:
    """Whether a run went on from the weights of one of the others."""
    try:
        config = yaml.safe_load((run / ".hydra" / "config.yaml").read_text(encoding="utf-8"))
        places = [config["model"].get("pretrained"), config.get("ckpt_path")]
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError, AttributeError):
        return False
    parents = [Path(place).expanduser().resolve() for place in places if isinstance(place, str)]
    return any(parent.is_relative_to(other.resolve()) for parent in parents for other in runs)


def _origins(values: dict[str, Any] | None) -> set[str]:
    origins = (values or {}).get("origins")
    return {origin for origin in origins if isinstance(origin, str)} if isinstance(origins, list) else set()


def _read(file: Path) -> dict[str, Any] | None:
    """The values of a report; None if it is damaged."""
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return values if isinstance(values, dict) else {}


def _agrees(console: Console, count: int) -> bool:
    if not sys.stdin.isatty():
        return False
    try:
        said = console.input(f"위의 {count}가지를 지울까요? 되돌릴 수 없습니다. [y/N] ")
    except EOFError:
        return False
    return said.strip().casefold() in ("y", "yes", "예", "네")
