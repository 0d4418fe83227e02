"""A corpus in memory: what a reader yielded, its report and its hash."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tqdm import tqdm

from yuhee.data.dialogue import Dialogue, corpus_hash
from yuhee.data.report import ReadReport
from yuhee.errors import UserError

Reader = Callable[[str | None, ReadReport], Iterator[Dialogue]]


@dataclass(frozen=True)
class Corpus:
    """Dialogues with at least one reply each, the reader's report, and the hash of the content."""

    dialogues: list[Dialogue]
    report: ReadReport
    hash: str

    @property
    def private(self) -> bool:
        """Whether the text may be personal: then it is cached in the run's folder only."""
        return self.report.private

    @property
    def emotion_labels(self) -> list[str]:
        return sorted({t.emotion for d in self.dialogues for t in d.turns if t.role == "user" and t.emotion})


def read_corpus(name: str, reader: Reader, path: str | None) -> Corpus:
    """Run a reader.

    Raises:
        UserError: the reader's own, or no dialogue with a reply came out.
    """
    report = ReadReport(source=name)
    stream = tqdm(reader(path, report), desc=f"{name} 읽기", unit="대화", delay=2, leave=False)
    dialogues = []
    for dialogue in report.count(stream):
        if any(turn.role == "assistant" and turn.weight for turn in dialogue.turns):
            dialogues.append(dialogue)
        else:
            report.notes.append(f"{dialogue.id}: 배울 답이 없어 뺐습니다.")
    if not dialogues:
        line, reason = report.skipped[0] if report.skipped else (0, "답이 있는 대화가 없습니다")
        where = f"{line}번째 줄: " if line else ""
        raise UserError(
            f"{path or name}: 쓸 수 있는 대화가 하나도 없습니다({where}{reason}). 형식에 맞는 data=… 를 골랐는지 확인해 주세요."
        )
    return Corpus(dialogues, report, corpus_hash(dialogues))
