"""What `yuhee import` does in a terminal: find the format, read, show the report, ask, put the file in place."""

import inspect
import json
import sys
import zipfile
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError
from rich.console import Console
from rich.text import Text

from yuhee.data.corpora.sniff import FORMATS, sniff
from yuhee.data.corpus import Reader
from yuhee.data.importing import Import, page_path
from yuhee.data.receipt import receipt_path
from yuhee.data.report import ReadReport
from yuhee.data.report_view import report_table, skipped_table
from yuhee.errors import UserError
from yuhee.paths import write_private

ZIPPED = ("kakaotalk", "aihub")  # formats whose readers look into a zip
SEVERAL = ("kakaotalk",)  # formats whose reader joins several files of one conversation


def import_files(
    files: Sequence[Path],
    out: Path,
    *,
    format_: str | None = None,
    options: Mapping[str, Any] | None = None,
    typed_options: Sequence[str] = (),
    accept: bool = False,
    strict: bool = False,
    mask: bool = True,
    save_mapping: Path | None = None,
) -> bool:
    """Import conversation files into one file of dialogues.

    Args:
        files: of one conversation.
        out: the file to write; its report stands beside it.
        format_: a name of `sniff.FORMATS`; found by content if None.
        options: of the reader.
        typed_options: more of them, as `name=value`.
        accept: the user accepts the report beforehand; on a terminal they are asked otherwise.
        strict: refuse the import if any line was not understood.
        mask: whether to replace personal data.
        save_mapping: a file for the table of originals and pseudonyms.

    Returns:
        Whether the import was accepted, so that `data=kakaotalk` reads it.

    Raises:
        UserError: nothing was written.
    """
    console = Console(soft_wrap=True)
    paths, out = [file.expanduser() for file in files], out.expanduser()
    name = _format(paths, format_, console)
    given = {**(options or {}), **_typed(typed_options)}
    if len(paths) > 1 and name not in SEVERAL:
        raise UserError(f"{name} 형식은 한 번에 파일 하나만 들여옵니다. 파일마다 따로 들여와 주세요.")
    if save_mapping:
        _check_mapping(save_mapping.expanduser(), out)
    with Import(name, _reader(name, given), paths, out, mask=mask) as job:
        report = job.read()
        _show(console, report)
        if strict and report.skipped:
            line, reason = report.skipped[0]
            raise UserError(
                f"--strict: 읽지 못한 줄이 {len(report.skipped):,}개 있어 쓰지 않았습니다(첫 줄 {line}번째: {reason})."
            )
        accepted = accept or _asks(console)
        if save_mapping:
            _save_mapping(save_mapping.expanduser(), job.mapping)
        job.finish(accepted=accepted)
    _tell(console, out, accepted=accepted, masked=mask)
    return accepted


def _show(console: Console, report: ReadReport) -> None:
    console.print(report_table(report))
    for note in report.notes:
        console.print(Text(note))
    if report.skipped:
        console.print(skipped_table(report))


def _format(paths: Sequence[Path], format_: str | None, console: Console) -> str:
    if format_ is not None:
        if format_ not in FORMATS:
            raise UserError(f"--format {format_}: 없는 형식입니다. {', '.join(FORMATS)} 가운데 하나를 고르세요.")
        return format_
    found = [sniff(path) for path in paths]
    if len({each.format for each in found}) > 1:
        raise UserError(
            f"형식이 서로 다른 파일들입니다({', '.join(each.format for each in found)}). 하나씩 들여오세요."
        )
    if found[0].format not in ZIPPED and (packed := [path for path in paths if zipfile.is_zipfile(path)]):
        raise UserError(f"{packed[0]}: {found[0].format} 파일은 압축을 풀어서 들여오세요.")
    console.print(Text(f"형식: {found[0].format} ({found[0].why})"))
    return found[0].format


def _reader(name: str, options: Mapping[str, Any]) -> Reader:
    known = [key for key in inspect.signature(FORMATS[name]).parameters if key not in ("path", "report")]
    for key in options:
        if key not in known:
            near = get_close_matches(key, known, n=1)
            hint = f"(비슷한 이름: {near[0]})" if near else f"(있는 것: {', '.join(known) or '없음'})"
            raise UserError(f"--{key.replace('_', '-')}: {name} 형식에는 없는 설정입니다{hint}.")
    hints = get_type_hints(FORMATS[name])
    return partial(FORMATS[name], **{key: _checked(key, value, hints[key]) for key, value in options.items()})


def _checked(key: str, value: Any, hint: Any) -> Any:
    try:
        return TypeAdapter(hint, config=ConfigDict(coerce_numbers_to_str=True)).validate_python(value)
    except ValidationError:
        choices = ", ".join(map(str, get_args(hint))) if get_origin(hint) is Literal else "이 설정에 맞는 값"
        raise UserError(f"--{key.replace('_', '-')} {value}: {choices} 가운데 하나를 골라 주세요.") from None


def _check_mapping(place: Path, out: Path) -> None:
    """The table of names may replace nothing: neither the export nor the import."""
    if place.exists() or place in (out, receipt_path(out), page_path(out)):
        raise UserError(f"--save-mapping {place}: 이미 있거나 쓸 파일의 이름입니다. 다른 이름을 주세요.")


def _save_mapping(place: Path, mapping: Mapping[str, str]) -> None:
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        write_private(place, json.dumps(mapping, ensure_ascii=False, indent=2) + "\n")
    except OSError as error:
        raise UserError(f"--save-mapping {place}: 쓸 수 없습니다({error.strerror}). 다른 이름을 주세요.") from None


def _typed(options: Sequence[str]) -> dict[str, Any]:
    """`name=value`; a value that is JSON (a number, null) is taken as such."""
    typed: dict[str, Any] = {}
    for option in options:
        name, sign, value = option.partition("=")
        if not sign:
            raise UserError(f"--option {option}: '이름=값' 꼴로 적어 주세요.")
        try:
            typed[name] = json.loads(value)
        except ValueError:
            typed[name] = value
    return typed


def _asks(console: Console) -> bool:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    try:
        said = console.input("이 내용을 학습에 써도 좋다고 받아들일까요? [y/N] ")
    except EOFError:
        return False
    return said.strip().casefold() in ("y", "yes", "예", "네", "ㅇ")


def _tell(console: Console, out: Path, *, accepted: bool, masked: bool) -> None:
    console.print(Text(f"썼습니다: {out} (보고서: {receipt_path(out)}, {page_path(out)})"))
    if not masked:
        console.print(Text("가리지 않은 파일입니다. 이것으로 만든 모델은 비공개로 표시되니 남에게 주지 마세요."))
    if accepted:
        console.print(Text(f"이제 학습할 수 있습니다: python train.py data=kakaotalk data.path={out}"))
    else:
        console.print(
            Text("보고서를 확인한 뒤 같은 명령에 --accept를 붙여 다시 실행하면 data=kakaotalk 로 학습할 수 있습니다.")
        )
