"""`yuhee import`: a conversation file → masked dialogues in `yuhee/1`, with a report and the user's decision."""

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tqdm import tqdm

from yuhee.data.corpus import Reader
from yuhee.data.dialogue import Dialogue, Turn, group_keys
from yuhee.data.privacy.gate import OURS, members
from yuhee.data.privacy.masker import Masker
from yuhee.data.receipt import Receipt, receipt_path, sha256_of
from yuhee.data.report import ReadReport, origin_of
from yuhee.data.report_view import save_page
from yuhee.errors import UserError
from yuhee.paths import private_partial

FORMAT = "yuhee/1"


class Import:
    """An import under way: written beside OUT, and renamed onto it only when the user has seen the report.

    Use as a context manager; whatever was not finished is removed at its end.

    Args:
        name: of the format.
        reader: of it.
        paths: the files to read.
        out: the file to write.
        mask: whether to replace personal data.

    Raises:
        UserError: the reader's own; nothing to learn; or OUT cannot be written.
    """

    def __init__(self, name: str, reader: Reader, paths: list[Path], out: Path, *, mask: bool = True) -> None:
        _refuse_to_overwrite(paths, out)
        self.out = out
        self.masked = mask
        self.origins = [origin_of(path) for path in paths]
        self.partial: Path | None = None
        self.report = ReadReport(source=name)
        self._masker: Masker | None = None
        self._reader = reader
        self._paths = [os.fspath(path) for path in paths]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.partial:
            self.partial.unlink(missing_ok=True)

    @property
    def mapping(self) -> dict[str, str]:
        """Original → pseudonym, for those who ask; it is written nowhere else."""
        return dict(self._masker.mapping) if self._masker else {}

    def read(self) -> ReadReport:
        """Read, mask and write beside OUT; two passes, for a name may be called before its owner speaks."""
        if self.masked:
            first = tqdm(
                self._dialogues(ReadReport(self.report.source)),
                desc="이름 찾기",
                unit="대화",
                delay=2,
                leave=False,
                disable=None,
            )
            self._masker = Masker(members(first), keep=OURS)
        self.report.privacy = "masked" if self.masked else "unmasked"
        self.report.origins = self.origins
        try:
            handle, self.partial = private_partial(self.out)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                for dialogue in self.report.count(self._masked()):
                    file.write(json.dumps(as_record(dialogue), ensure_ascii=False) + "\n")
        except OSError as error:
            raise _cannot_write(self.out, error) from None
        if not self.report.dialogues:
            line, reason = self.report.skipped[0] if self.report.skipped else (0, "답이 있는 대화가 없습니다")
            raise UserError(f"들여올 대화가 하나도 없습니다({f'{line}번째 줄: ' if line else ''}{reason}).")
        if self._masker:
            self.report.masked = self._masker.counts
        return self.report

    def finish(self, *, accepted: bool) -> None:
        """Put OUT, its receipt and its page in place.

        The receipt comes first: until OUT has the bytes that it names it opens nothing, and `forget` finds it.

        Raises:
            UserError: they cannot be written.
        """
        assert self.partial is not None  # noqa: S101
        try:
            receipt = Receipt(sha256_of(self.partial), accepted, self.masked, self.origins, self.report.as_dict())
            save_page(self.report, page_path(self.out))
            receipt.write(self.out)
            self.partial.replace(self.out)
        except OSError as error:
            raise _cannot_write(self.out, error) from None

    def _dialogues(self, report: ReadReport) -> Iterator[Dialogue]:
        return self._reader(self._paths[0] if len(self._paths) == 1 else self._paths, report)

    def _masked(self) -> Iterator[Dialogue]:
        stream: Iterable[Dialogue] = tqdm(
            self._dialogues(self.report),
            desc="가리고 쓰기" if self.masked else "쓰기",
            unit="대화",
            delay=2,
            leave=False,
            disable=None,  # on a terminal alone
        )
        for dialogue in stream:
            yield self._masker.dialogue(dialogue) if self._masker else dialogue


def page_path(out: Path) -> Path:
    return out.with_name(out.name + ".report.html")


def as_record(dialogue: Dialogue) -> dict[str, Any]:
    """A dialogue as one line of `yuhee/1`; keys that the reader would find again are left out."""
    record: dict[str, Any] = {
        "format": FORMAT,
        "id": dialogue.id,
        "messages": [_message(turn) for turn in dialogue.turns],
    }
    if dialogue.group_keys != group_keys(dialogue.turns):
        record["group_keys"] = list(dialogue.group_keys)
    record["source"] = dialogue.source
    if dialogue.meta:
        record["meta"] = dict(dialogue.meta)
    return record


def _message(turn: Turn) -> dict[str, Any]:
    optional = {"emotion": turn.emotion, "speaker": turn.speaker, "time": turn.time}
    message: dict[str, Any] = {"role": turn.role, "content": turn.text}
    message |= {key: value for key, value in optional.items() if value is not None}
    return message | ({} if turn.weight else {"weight": 0})


def _cannot_write(out: Path, error: OSError) -> UserError:
    return UserError(f"{out}: 쓸 수 없습니다({error.strerror}). --out을 다른 곳으로 바꿔 주세요.")


def _refuse_to_overwrite(paths: list[Path], out: Path) -> None:
    try:
        _check_place(paths, out)
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_write(out, error) from None


def _check_place(paths: list[Path], out: Path) -> None:
    if out.is_dir():
        raise UserError(f"{out}: 폴더입니다. --out에 파일 이름까지 적어 주세요.")
    if any(path.exists() and out.exists() and path.samefile(out) for path in paths):
        raise UserError(f"{out}: 읽을 파일과 쓸 파일이 같습니다. --out에 다른 이름을 주세요.")
    if out.exists() and not receipt_path(out).exists():
        raise UserError(f"{out}: 들여온 파일이 아닌 것이 이미 있어 덮어쓰지 않았습니다. --out에 다른 이름을 주세요.")
