"""A corpus: what a reader yielded, masked where it is somebody's own, its report and its hash."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow.compute as pc
from tqdm import tqdm

from yuhee.data.corpus_cache import recall, remember, source_of
from yuhee.data.dialogue import Dialogue
from yuhee.data.dialogue_store import spooled, stored
from yuhee.data.digests import corpus_hash
from yuhee.data.privacy.gate import protect
from yuhee.data.receipt import is_unmasked
from yuhee.data.report import ReadReport
from yuhee.errors import UserError

Reader = Callable[..., Iterator[Dialogue]]
"""`reader(path, report, **options)`."""


@dataclass(frozen=True)
class Corpus:
    """Dialogues with at least one reply each, the reader's report, and the hash of the content."""

    dialogues: Sequence[Dialogue]
    report: ReadReport
    hash: str

    @property
    def private(self) -> bool:
        """Whether the text comes from somebody's own file: then it is cached in the run's folder only."""
        return self.report.private

    @property
    def unmasked(self) -> bool:
        """Whether personal data stands in it as it was written: then nothing publishes a model made from it."""
        return self.report.privacy == "unmasked"

    @property
    def emotion_labels(self) -> list[str]:
        return sorted(pc.list_flatten(stored(self.dialogues).columns("labels")["labels"]).unique().to_pylist())


def read_corpus(name: str, reader: Reader, path: str | None, *, public: bool = False) -> Corpus:
    """Run a reader, and mask what it yields unless the corpus is public.

    Args:
        name: of the corpus, for messages.
        reader: a function of `corpora/`.
        path: the user's file or folder, None where the reader knows.
        public: the user says that nothing personal stands in it (`data.privacy=public`).

    Raises:
        UserError: the reader's own, or no dialogue with a reply came out.
    """
    source = source_of(name, reader, path, public=public)
    if source and (known := recall(source)):
        _refuse_unmasked(path, known[1])
        return Corpus(*known, corpus_hash(known[0]))
    report = ReadReport(source=name)
    if path is not None:
        report.note_origin(Path(path))
    stream = tqdm(reader(path, report), desc=f"{name} 읽기", unit="대화", delay=2, leave=False, disable=None)
    dialogues = spooled(filter(_has_reply, report.count(protect(stream, report, public=public))))
    _refuse_unmasked(path, report)
    if without := report.dialogues - len(dialogues):
        report.notes.append(f"배울 답이 없는 대화 {without:,}개를 뺐습니다.")
    if not dialogues:
        line, reason = report.skipped[0] if report.skipped else (0, "답이 있는 대화가 없습니다")
        where = f"{line}번째 줄: " if line else ""
        raise UserError(
            f"{path or name}: 쓸 수 있는 대화가 하나도 없습니다({where}{reason}). 형식에 맞는 data=… 를 골랐는지 확인해 주세요."
        )
    if (
        source and not report.private and source == source_of(name, reader, path, public=public)
    ):  # not changed meanwhile
        remember(source, dialogues, report)
    return Corpus(dialogues, report, corpus_hash(dialogues))


def _refuse_unmasked(path: str | None, report: ReadReport) -> None:
    if path is not None and not report.private and is_unmasked(Path(path)):
        raise UserError(
            f"{path}: 개인정보를 가리지 않고 들여온 파일이라 data.privacy=public으로 읽을 수 없습니다. 그 설정을 빼 주세요."
        )


def _has_reply(dialogue: Dialogue) -> bool:
    """Whether there is something to learn."""
    return any(turn.role == "assistant" and turn.weight for turn in dialogue.turns)
