"""Chat files, JSON lines or a JSON array: OpenAI `messages`, `yuhee/1`, ShareGPT, Alpaca, prompt/completion.

The shape is found record by record, from its keys (`chat_json`).
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from yuhee.data.corpora.chat_json import parse
from yuhee.data.corpora.json_stream import read_records
from yuhee.data.corpora.text_file import find_file
from yuhee.data.dialogue import Dialogue
from yuhee.data.report import ReadReport
from yuhee.errors import UserError

NOTES = {
    "trailing": "답이 뒤따르지 않는 마지막 질문 {}개를 잘라 냈습니다.",
    "tool": "도구를 부르거나 도구가 답한 메시지 {}개는 읽지 않았습니다.",
    "part": "글이 아닌 조각(그림, 소리 등) {}개는 읽지 않았습니다.",
}


def read(path: str | None, report: ReadReport) -> Iterator[Dialogue]:
    """Yield the conversations of a chat file, in constant memory if it is JSON lines.

    A `messages` record is `{"messages": [{"role", "content", "emotion"?, "speaker"?, "time"?, "weight"?}], "id"?,
    "group_keys"?, "source"?, "meta"?}`. Records that are no conversation go to the report with their line (JSON
    lines) or their place in the array.

    Raises:
        UserError: no file was named, or it is missing, empty, undecodable or an array over 256 MiB.
    """
    if path is None:
        raise UserError("data.path에 대화 파일(JSONL 또는 JSON)을 지정해 주세요.")
    left_out: Counter[str] = Counter()
    for number, record in read_records(find_file(Path(path)), report):
        try:
            dialogue, seen = parse(record, number, report.source)
        except RecursionError:
            report.skip(number, "대화로 읽을 수 없습니다: 너무 깊이 겹친 JSON입니다")
            continue
        except ValueError as error:
            report.skip(number, f"대화로 읽을 수 없습니다: {error}")
            continue
        report.kinds["text"] += 1
        left_out.update(seen)
        yield dialogue
    report.notes += [note.format(left_out[kind]) for kind, note in NOTES.items() if left_out[kind]]
