"""`OUT.report.json`: what `yuhee import` wrote beside OUT, with the hash of OUT and the decision about privacy."""

import hashlib
import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yuhee.errors import UserError
from yuhee.paths import write_private

FORMAT = "yuhee-import/1"
AGAIN = "yuhee import {source} --me <내 이름> --friend <친구 이름> --out {out} --accept"


@dataclass(frozen=True)
class Receipt:
    """The decision about one imported file.

    Attributes:
        sha256: of the bytes of OUT.
        accepted: whether the user saw the report and accepted it.
        masked: whether personal data was replaced before OUT was written.
        origins: hashes of the paths of the files it was made from.
        report: `ReadReport.as_dict`.
    """

    sha256: str
    accepted: bool
    masked: bool
    origins: list[str]
    report: dict[str, Any]

    def write(self, out: Path) -> None:
        """Write it beside OUT, whole or not at all, readable by its owner alone."""
        decision = {"accepted": self.accepted, "masked": self.masked}
        values = {"format": FORMAT, "sha256": self.sha256, "decision": decision, "origins": self.origins}
        write_private(
            receipt_path(out), json.dumps({**values, "report": self.report}, ensure_ascii=False, indent=2) + "\n"
        )


def receipt_path(out: Path) -> Path:
    return out.with_name(out.name + ".report.json")


def read_receipt(out: Path) -> Receipt:
    """The receipt of an imported file.

    Raises:
        UserError: there is none, or it is no receipt.
    """
    place = receipt_path(out)
    if not place.is_file():
        raise UserError(
            f"{out}: 'yuhee import'로 들여온 파일이 아닙니다({place.name} 이 없음). "
            f"개인정보를 가리려면 먼저 들여오세요: {AGAIN.format(source=shlex.quote(str(out)), out='data/mine.jsonl')}"
        )
    try:
        values = json.loads(place.read_text(encoding="utf-8"))
        decision = values["decision"]
        if values["format"] != FORMAT:
            raise ValueError
        return Receipt(
            str(values["sha256"]),
            decision["accepted"] is True,
            decision["masked"] is True,
            [str(origin) for origin in values["origins"]],
            dict(values["report"]),
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise UserError(f"{place}: 읽을 수 없는 보고서입니다. 다시 들여오세요: {_again(out)}") from None


def check_receipt(out: Path) -> Receipt:
    """The receipt, if OUT was accepted and has not changed since.

    Raises:
        UserError: no receipt, not accepted, or other bytes.
    """
    receipt = read_receipt(out)
    if not receipt.accepted:
        raise UserError(
            f"{out}: 아직 받아들이지 않은 파일입니다. 보고서를 본 뒤 --accept를 붙여 다시 들여오세요: {_again(out)}"
        )
    if sha256_of(out) != receipt.sha256:
        raise UserError(f"{out}: 들여온 뒤에 바뀌었습니다(SHA-256이 다름). 다시 들여오세요: {_again(out)}")
    return receipt


def _again(out: Path) -> str:
    return AGAIN.format(source="<내보낸 파일>", out=shlex.quote(str(out)))


def is_unmasked(file: Path) -> bool:
    """Whether a file is an import that the user refused to mask."""
    return receipt_path(file.expanduser()).is_file() and not read_receipt(file.expanduser()).masked


def sha256_of(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
