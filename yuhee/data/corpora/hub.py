"""Datasets of the Hugging Face hub, or of `datasets` on this machine, by name or path.

Rows are records as in `chat_json`; a mapping gives columns and roles the names that it knows.
"""

import contextlib
import json
import logging
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from yuhee.data.corpora.chat_json import OWN_FORMAT, parse
from yuhee.data.dialogue import ROLES, Dialogue
from yuhee.data.report import ReadReport
from yuhee.errors import UserError

TURNS = ("messages", "conversations")
OURS = ("group_keys", "meta", "source")  # what these say counts in `yuhee/1` alone; other datasets mean other things


def read(
    path: str | None,
    report: ReadReport,
    *,
    subset: str | None = None,
    split: str = "train",
    columns: Mapping[str, str] | str | None = None,
    roles: Mapping[str, str] | str | None = None,
    role_key: str = "role",
    text_key: str = "content",
) -> Iterator[Dialogue]:
    """Yield the rows of a dataset, streamed.

    Args:
        path: a hub id (`owner/name`), a folder saved by `datasets`, or a folder or file it can load. A dataset of
            the hub counts as public, one of this machine as the user's own.
        report: filled.
        subset: the dataset's configuration.
        split: of the dataset.
        columns: the dataset's column → the name it has in a chat record (`messages`, `question`, `answer`,
            `emotion` …).
        roles: the dataset's role → `user`, `assistant` or `system`. Like `columns`, also as text (`{질문: question}`):
            a command line holds no Hangul keys otherwise.
        role_key, text_key: where a message says who speaks, and what; `from` and `value` are known.

    Raises:
        UserError: `datasets` is not installed; no such dataset, subset, split or column; no network.
    """
    if not path:
        raise UserError("data.path에 데이터셋의 이름(owner/name)이나 폴더를 지정해 주세요.")
    names, sides = _mapping("columns", columns), _mapping("roles", roles)
    if wrong := [side for side in sides.values() if side not in ROLES]:
        raise UserError(f"data.reader.roles: {', '.join(wrong)}: {', '.join(ROLES)} 가운데 하나로 적어 주세요.")
    local = Path(os.path.expanduser(path))  # noqa: PTH111 - a name that no file can have is a name all the same
    report.private = os.path.exists(local)  # noqa: PTH110
    rows = _load(str(local) if report.private else path, local, subset, split)
    for number, row in enumerate(_checked(rows, names, path), start=1):
        report.lines += 1
        record = _renamed(row, names, sides, role_key, text_key)
        try:
            dialogue, _ = parse(record, number, report.source)
        except (ValueError, RecursionError) as error:
            report.skip(number, f"대화로 읽을 수 없습니다: {error}")
            continue
        except TypeError:
            report.skip(number, "대화로 읽을 수 없습니다: JSON에 없는 값(날짜 등)이 들어 있습니다")
            continue
        report.kinds["text"] += 1
        yield dialogue


def _mapping(name: str, given: Mapping[str, str] | str | None) -> dict[str, str]:
    try:
        found = yaml.safe_load(given) if isinstance(given, str) else given
    except yaml.YAMLError:
        found = given
    if not isinstance(found or {}, Mapping):
        raise UserError(f"data.reader.{name}: '{{데이터셋의 이름: 읽을 이름}}' 꼴로 적어 주세요.")
    return {str(key): str(value) for key, value in (found or {}).items()}


def _load(path: str, local: Path, subset: str | None, split: str) -> Any:
    try:
        import datasets
    except ImportError:
        raise UserError("data=hub에는 datasets가 필요합니다: pip install 'yuhee[hub]' 로 설치해 주세요.") from None
    datasets.disable_progress_bars()
    logging.getLogger("datasets").setLevel(logging.CRITICAL)  # what it logs of errors, the exception says
    try:
        if local.is_dir() and any(local.glob("*/dataset_info.json")) | (local / "dataset_info.json").is_file():
            saved = datasets.load_from_disk(path)
            return saved[split] if isinstance(saved, datasets.DatasetDict) else saved
        if local.is_file():
            kind = {".parquet": "parquet", ".csv": "csv"}.get(local.suffix.lower(), "json")
            return datasets.load_dataset(kind, data_files={split: path}, split=split, streaming=True)
        return datasets.load_dataset(path, subset, split=split, streaming=True)
    except Exception as error:  # every loader raises its own kinds
        raise UserError(_cause(path, split, error)) from None


def _cause(path: str, split: str, error: Exception) -> str:
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    if isinstance(error, KeyError) or re.search(r"(bad|unknown) split|split name", reason, re.IGNORECASE):
        return f"{path}: 나눔 '{split}'이(가) 없습니다. data.reader.split을 확인해 주세요({reason})."
    if re.search(r"BuilderConfig|Config name", reason):
        return f"{path}: data.reader.subset을 골라 주세요({reason})."
    return f"{path}: 데이터셋을 읽을 수 없습니다. 이름과 네트워크를 확인하거나 내려받은 폴더를 지정해 주세요({reason})."


def _checked(rows: Any, columns: Mapping[str, str], path: str) -> Iterator[dict[str, Any]]:
    """The rows; a column that the first one lacks, or a file that breaks off, is one sentence."""
    iterator = iter(rows)
    first = True
    while True:
        try:
            row = next(iterator, None)
        except Exception as error:
            reason = str(error).strip().split("\n")[0] or type(error).__name__
            raise UserError(f"{path}: 데이터셋을 읽다가 멈췄습니다({reason}).") from None
        if row is None:
            return
        if first and (missing := [name for name in columns if name not in row]):
            raise UserError(
                f"{path}: 열 {', '.join(missing)} 이(가) 없습니다(있는 열: {', '.join(row)}). data.reader.columns를 고쳐 주세요."
            )
        first = False
        yield row


def _renamed(
    row: Mapping[str, Any], columns: Mapping[str, str], roles: Mapping[str, str], role_key: str, text_key: str
) -> dict[str, Any]:
    record = {columns.get(name, name): value for name, value in row.items()}
    for name in TURNS:
        if isinstance(record.get(name), list):
            record[name] = [_message(each, roles, role_key, text_key) for each in record[name]]
    own = record.get("format") == OWN_FORMAT
    return {name: value for name, value in record.items() if value is not None and (own or name not in OURS)}


def _message(message: Any, roles: Mapping[str, str], role_key: str, text_key: str) -> Any:
    if isinstance(message, str):  # `datasets` writes objects of differing keys in a JSON array as JSON text
        with contextlib.suppress(ValueError, RecursionError):
            message = json.loads(message)
    if not isinstance(message, dict):
        return message
    role = next((message[key] for key in (role_key, "from") if message.get(key) is not None), None)
    text = next((message[key] for key in (text_key, "value") if message.get(key) is not None), None)
    rest = {key: value for key, value in message.items() if key not in ("from", "value")}
    return {**rest, "role": roles.get(str(role), role), "content": text}
