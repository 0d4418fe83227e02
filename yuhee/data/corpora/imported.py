"""Files that `yuhee import` wrote, read only while they are the very bytes that the user accepted."""

from collections.abc import Iterator
from pathlib import Path

from yuhee.data.corpora import chat_jsonl
from yuhee.data.corpora.text_file import find_file
from yuhee.data.dialogue import Dialogue
from yuhee.data.receipt import check_receipt
from yuhee.data.report import ReadReport
from yuhee.errors import UserError


def read(path: str | None, report: ReadReport) -> Iterator[Dialogue]:
    """Yield the dialogues of an accepted import.

    Raises:
        UserError: no file was named; it is no import, was not accepted, or has changed since.
    """
    if path is None:
        raise UserError("data.path에 'yuhee import'로 들여온 파일을 지정해 주세요.")
    file = find_file(Path(path))
    receipt = check_receipt(file)
    report.privacy = "masked" if receipt.masked else "unmasked"
    report.origins += receipt.origins
    yield from chat_jsonl.read(str(file), report)
