"""Four smaller corpora: 페르소나 대화 (044), 심리상담 (16), 웰니스, and the headless tweeter_dialog_dataset."""

from collections.abc import Iterator
from typing import Any

from yuhee.data.corpora.aihub.conversation import (
    Conversation,
    Unreadable,
    Utterance,
    described,
    entries,
    first,
    mapping,
    word,
)

COUNSELLOR, CLIENT = "상담사", "내담자"
WELLNESS_COLUMNS = {"구분", "유저", "챗봇"}
MOST_ROWS = 100_000  # of a 웰니스 table, which is read whole: the published one has 5,231


def is_persona(record: dict[str, Any]) -> bool:
    return isinstance(record.get("info"), dict) and "persona_id" in first(record.get("utterances"))


def persona(record: dict[str, Any]) -> Iterator[Conversation]:
    info = mapping(record["info"])
    spoken = [Utterance(word(entry.get("persona_id")), entry.get("text")) for entry in entries(record["utterances"])]
    yield Conversation(word(info.get("id")) or None, spoken, meta=described(topic=info.get("topic")))


def is_counselling(record: dict[str, Any]) -> bool:
    return "paragraph_speaker" in first(record.get("paragraph"))


def counselling(record: dict[str, Any]) -> Iterator[Conversation]:
    spoken = [_paragraph(entry) for entry in entries(record["paragraph"])]
    key = word(record.get("filename")) or word(record.get("id"))
    yield Conversation(key or None, spoken, bot=COUNSELLOR, meta=described(topic=record.get("class")))


def _paragraph(entry: dict[str, Any]) -> Utterance:
    who = word(entry.get("paragraph_speaker"))
    problem = None if who in (COUNSELLOR, CLIENT) else "말한 사람이 상담사도 내담자도 아닙니다"
    return Utterance(who, entry.get("paragraph_text"), problem=problem)


def gathered_wellness(rows: Iterator[tuple[int, Any]]) -> Iterator[tuple[int, Any]]:
    """The rows of each category as one record: answers belong to the category, not to the row they stand in."""
    categories: dict[str, tuple[int, dict[str, Any]]] = {}
    for count, (number, row) in enumerate(rows, start=1):
        if count > MOST_ROWS:
            yield number, Unreadable(f"웰니스 표는 {MOST_ROWS:,}줄까지만 읽습니다")
            break
        if isinstance(row, Unreadable):
            yield number, row
            continue
        category, question, answer = (row.get(column, "").strip() for column in ("구분", "유저", "챗봇"))
        if not category or not (question or answer):
            yield number, Unreadable("구분이나 글이 비어 있습니다")
            continue
        record = categories.setdefault(category, (number, {"구분": category, "유저": [], "챗봇": []}))[1]
        record["유저"] += [question] * bool(question)
        record["챗봇"] += [answer] * bool(answer)
    yield from categories.values()


def is_wellness(record: dict[str, Any]) -> bool:
    return set(record) >= WELLNESS_COLUMNS and isinstance(record["유저"], list) and isinstance(record["챗봇"], list)


def wellness(record: dict[str, Any]) -> Iterator[Conversation]:
    """Every question of a category with every answer of it; questions of one category stay together in a split."""
    category = word(record["구분"])
    for i, question in enumerate(record["유저"] or [None]):
        for j, answer in enumerate(record["챗봇"] or [None]):
            said = [("유저", question, j == 0), ("챗봇", answer, i == 0)]
            spoken = [Utterance(who, text, counted=counted) for who, text, counted in said if text is not None]
            meta = described(topic=category)
            yield Conversation(f"{category}:{i}:{j}", spoken, bot="챗봇", group=category, meta=meta)


def is_tweeter(record: dict[str, Any]) -> bool:
    cells = record.get("cells")
    return isinstance(cells, list) and all(isinstance(cell, str) for cell in cells)


def tweeter(record: dict[str, Any]) -> Iterator[Conversation]:
    """A row without header: one cell a turn, up to the first empty one; two people take turns."""
    cells = record["cells"]
    end = next((place for place, cell in enumerate(cells) if not cell.strip()), len(cells))
    spoken = [
        Utterance(str(place % 2 + 1), cell, problem="빈 칸 뒤의 글입니다" if place > end else None)
        for place, cell in enumerate(cells)
        if cell.strip()
    ]
    yield Conversation(None, spoken)
