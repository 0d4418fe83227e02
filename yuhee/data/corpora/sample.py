"""The corpus that ships with yuhee: small talk between a person and 유희지희, written for this project (Apache-2.0)."""

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from yuhee.data.corpora import chat_jsonl
from yuhee.data.dialogue import Dialogue
from yuhee.data.report import ReadReport
from yuhee.errors import UserError


def read(path: str | None, report: ReadReport) -> Iterator[Dialogue]:
    """Yield the embedded dialogues.

    Raises:
        UserError: a `data.path`, which this corpus does not take.
    """
    file = locate(path)
    report.private = False
    yield from chat_jsonl.read(str(file), report)


def locate(path: str | None) -> Path:
    """Where the embedded file is.

    Raises:
        UserError: a `data.path`, which this corpus does not take.
    """
    if path is not None:
        raise UserError("data=sample은 내장 말뭉치라 data.path를 받지 않습니다. data.path를 빼 주세요.")
    return Path(str(files("yuhee.data.corpora") / "sample.jsonl"))
