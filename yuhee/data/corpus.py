"""A corpus in memory: what a reader yielded, masked where it is somebody's own, its report and its hash."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from yuhee.data.dialogue import Dialogue, corpus_hash
from yuhee.data.privacy.gate import protect
from yuhee.data.receipt import is_unmasked
from yuhee.data.report import ReadReport
from yuhee.errors import UserError

Reader = Callable[..., Iterator[Dialogue]]
"""`reader(path, report, **options)`."""


@dataclass(frozen=True)
class Corpus:
    """Dialogues with at least one reply each, the reader's report, and the hash of the content."""

    dialogues: list[Dialogue]
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
        return sorted({t.emotion for d in self.dialogues for t in d.turns if t.role == "user" and t.emotion})


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
    report = ReadReport(source=name)
    if path is not None:
        report.note_origin(Path(path))
    stream = tqdm(reader(path, report), desc=f"{name} 읽기", unit="대화", delay=2, leave=False)
    dialogues, without = [], 0
    for dialogue in report.count(protect(stream, report, public=public)):
        if any(turn.role == "assistant" and turn.weight for turn in dialogue.turns):
            dialogues.append(dialogue)
        else:
            without += 1
    if path is not None and not report.private and is_unmasked(Path(path)):
        raise UserError(
            f"{path}: 개인정보를 가리지 않고 들여온 파일이라 data.privacy=public으로 읽을 수 없습니다. 그 설정을 빼 주세요."
        )
    if without:
        report.notes.append(f"배울 답이 없는 대화 {without:,}개를 뺐습니다.")
    if not dialogues:
        line, reason = report.skipped[0] if report.skipped else (0, "답이 있는 대화가 없습니다")
        where = f"{line}번째 줄: " if line else ""
        raise UserError(
            f"{path or name}: 쓸 수 있는 대화가 하나도 없습니다({where}{reason}). 형식에 맞는 data=… 를 골랐는지 확인해 주세요."
        )
    return Corpus(dialogues, report, corpus_hash(dialogues))
