"""One JSON record of a chat file → a Dialogue, whichever of the common shapes it has.

Shapes, told apart by their keys in this order: `messages` (OpenAI, TRL, `yuhee/1`), `conversations` (ShareGPT),
`instruction` (Alpaca, LLaMA-Factory's `history` and `system`), `prompt` and `completion` (strings, or TRL's lists of
messages), `question` and `answer`. Every shape becomes a list of OpenAI messages first.
"""

import json
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from yuhee.data.dialogue import Dialogue, Turn, group_keys

OWN_FORMAT = "yuhee/1"
INPUTS = ("input", "context")
OUTPUTS = ("output", "response", "completion", "answer")
PAIRS = (("prompt", "completion"), ("question", "answer"), ("Q", "A"))

_SHAREGPT_ROLES = {
    **dict.fromkeys(("human", "user"), "user"),
    **dict.fromkeys(("gpt", "assistant", "chatgpt", "bot", "model"), "assistant"),
    "system": "system",
    **dict.fromkeys(("observation", "tool", "function_call"), "tool"),
}
_PART_OF_A_CHAT = re.compile(r"(.+)_\d+")  # `id_0`, `id_1`: a long conversation cut up

Message = tuple[str, Any]
"""Where it stands in the record (`messages[0]`), and an OpenAI message."""


def parse(record: Any, number: int, source: str) -> tuple[Dialogue, Counter[str]]:
    """Read one record.

    Args:
        record: any JSON value.
        number: of the record in its file; names a dialogue without an id.
        source: the reader's name.

    Returns:
        The dialogue, and counts of what is not in it: `tool` (calls and results of tools), `part` (images, sounds)
        and `trailing` (user turns after the last reply, which nobody answers). Lines marked `yuhee/1` come back
        exactly as they were written.

    Raises:
        ValueError: the record is no usable dialogue; the message holds no text of it.
    """
    if not isinstance(record, dict):
        raise ValueError("'messages' 목록이 없습니다")
    seen: Counter[str] = Counter()
    turns = [turn for where, message in _messages(record) if (turn := _turn(where, message, seen))]
    if not turns:
        raise ValueError("읽을 메시지가 없습니다")
    if record.get("format") != OWN_FORMAT:
        seen["trailing"] = _trim(turns)
    keys = record.get("group_keys") or _keys(record, turns)
    if not isinstance(keys, list | tuple) or not all(isinstance(key, str) for key in keys):
        raise ValueError("'group_keys'는 문자열 목록이어야 합니다")
    meta = record.get("meta") or {}
    if not isinstance(meta, dict):
        raise ValueError("'meta'는 객체여야 합니다")
    dialogue = Dialogue(
        id=str(record.get("id") or f"{source}:{number}"),
        turns=tuple(turns),
        group_keys=tuple(keys),
        source=str(record.get("source") or source),
        meta=meta,
    )
    if not dialogue.replies and record.get("format") != OWN_FORMAT:
        raise ValueError("답(assistant)이 없습니다")
    _check_unicode(dialogue)
    return dialogue, seen


def _trim(turns: list[Turn]) -> int:
    """Cut the user turns after the last reply, if there is one; their number."""
    length = len(turns)
    if any(turn.role == "assistant" for turn in turns):
        while turns[-1].role == "user":
            turns.pop()
    return length - len(turns)


def _keys(record: dict[str, Any], turns: Sequence[Turn]) -> list[str]:
    keys = list(group_keys(turns))
    name = record.get("id")
    if "conversations" in record and isinstance(name, str) and (part := _PART_OF_A_CHAT.fullmatch(name)):
        keys.append(f"id:{part[1]}")
    return keys


def _check_unicode(dialogue: Dialogue) -> None:
    beside: list[object] = [dialogue.id, dialogue.source, dialogue.group_keys, dialogue.meta]
    beside += [(turn.speaker, turn.time) for turn in dialogue.turns]
    try:
        json.dumps(beside, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("글자 반쪽(짝 없는 서로게이트)이 들어 있습니다") from None


def _messages(record: dict[str, Any]) -> list[Message]:
    if "messages" in record:
        return _numbered("messages", record["messages"])
    if "conversations" in record:
        return [*_system(record), *_sharegpt(record["conversations"])]
    if "instruction" in record:
        return [*_system(record), *_alpaca(record)]
    for question, answer in PAIRS:
        if question in record and answer in record:
            return [*_side(question, record[question], "user"), *_side(answer, record[answer], "assistant")]
    raise ValueError("'messages' 목록이 없습니다(conversations, instruction, prompt와 completion도 없음)")


def _numbered(name: str, messages: Any) -> list[Message]:
    if not isinstance(messages, list):
        raise ValueError(f"'{name}' 목록이 없습니다")
    return [(f"{name}[{index}]", message) for index, message in enumerate(messages)]


def _side(name: str, value: Any, role: str) -> list[Message]:
    """One side of a pair: a string, or messages with their own roles."""
    return [_said(name, role, value)] if isinstance(value, str) else _numbered(name, value)


def _said(name: str, role: str, text: Any) -> Message:
    return name, {"role": role, "content": text}


def _system(record: dict[str, Any]) -> list[Message]:
    text = record.get("system")
    return [] if text is None or text == "" else [_said("system", "system", text)]


def _sharegpt(conversations: Any) -> list[Message]:
    messages = _numbered("conversations", conversations)
    return [(where, _as_openai(each) if isinstance(each, dict) else each) for where, each in messages]


def _as_openai(message: dict[str, Any]) -> dict[str, Any]:
    role = message.get("from", message.get("role"))
    known = _SHAREGPT_ROLES.get(role.strip().lower(), "") if isinstance(role, str) else ""
    return {**message, "role": known, "content": message.get("value", message.get("content"))}


def _alpaca(record: dict[str, Any]) -> list[Message]:
    history = record.get("history") or []
    if not isinstance(history, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in history):
        raise ValueError("'history'는 [질문, 답] 목록이어야 합니다")
    messages = [
        _said(f"history[{index}]", role, text)
        for index, pair in enumerate(history)
        for role, text in zip(("user", "assistant"), pair, strict=True)
    ]
    asked = [record["instruction"], _first(record, INPUTS)]
    if not all(part is None or isinstance(part, str) for part in asked):
        raise ValueError("'instruction'과 'input'은 문자열이어야 합니다")
    question = "\n".join(part for part in asked if part and part.strip())
    return [*messages, _said("instruction", "user", question), _said("output", "assistant", _first(record, OUTPUTS))]


def _first(record: dict[str, Any], names: Sequence[str]) -> Any:
    return next((record[name] for name in names if record.get(name) is not None), None)


def _turn(where: str, message: Any, seen: Counter[str]) -> Turn | None:
    if not isinstance(message, dict):
        raise ValueError(f"{where}가 객체가 아닙니다")
    role = message.get("role", "")
    text = _text(where, message.get("content"), seen)
    calls = role == "assistant" and not text and (message.get("tool_calls") or message.get("function_call"))
    if calls or role in ("tool", "function"):
        seen["tool"] += 1
        return None
    emotion, time = message.get("emotion"), message.get("time")
    speaker = message.get("speaker") or message.get("name")
    weight = message.get("weight")
    if weight is not None and not isinstance(weight, int | float) and len(str(weight)) > 1:
        raise ValueError(f"{where}: 'weight'는 0이나 1이어야 합니다")  # Turn would quote it, and it may be a text
    try:
        return Turn(
            role="system" if role == "developer" else role,
            text=text,
            emotion=None if emotion is None else str(emotion),
            speaker=None if speaker is None else str(speaker),
            time=None if time is None else str(time),
            weight=1 if weight is None else weight,
        )
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def _text(where: str, content: Any, seen: Counter[str]) -> str:
    """The words of a message: a string, or its text parts on lines of their own; empty for null."""
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list) or not all(isinstance(part, dict) for part in content):
        raise ValueError(f"{where}: 'content'가 문자열이 아닙니다")
    texts = [part["text"] for part in content if isinstance(part.get("text"), str)]
    seen["part"] += len(content) - len(texts)
    return "\n".join(text for text in texts if text.strip())
