"""What a checkpoint says about chats: its template and its special tokens, read as data."""

import json
import logging
from collections.abc import Mapping
from typing import Any

from yuhee.data.encoding.chat_template import PLAIN_TEMPLATE
from yuhee.errors import UserError
from yuhee.models.pretrained import find_file, tokenizer_file

log = logging.getLogger(__name__)

NAMES = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")


def load_vocabulary(place: str, key: str) -> str:
    """Text of a checkpoint's `tokenizer.json`.

    Raises:
        UserError: nothing there.
    """
    file = tokenizer_file(place, key)
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, ValueError):
        raise UserError(f"{file}: 토크나이저 파일이 아닙니다. {key}를 확인해 주세요.") from None


def load_chat(place: str, key: str, vocabulary: str) -> tuple[str, dict[str, str]]:
    """A checkpoint's chat template and its special tokens by name; a plain template if it has none.

    Args:
        place: hub id or folder.
        key: the configuration key that named it, for messages.
        vocabulary: text of its `tokenizer.json`.

    Raises:
        UserError: a damaged file, or neither a template nor a token that ends a text.
    """
    settings = _json(place, key, "tokenizer_config.json")
    named = {**settings, **_json(place, key, "special_tokens_map.json")}
    special = {name: text for name in NAMES if (text := _content(named.get(name)))}
    try:
        from_ids = _from_ids(_json(place, key, "config.json"), vocabulary)
    except (ValueError, TypeError, KeyError):
        raise UserError(
            f"{key}={place}: tokenizer.json이 토크나이저 파일이 아닙니다. 체크포인트를 다시 받아 주세요."
        ) from None
    for name, text in from_ids.items():
        special.setdefault(name, text)
    file = find_file(place, key, "chat_template.jinja")
    try:
        template = file.read_text(encoding="utf-8") if file else _default(settings.get("chat_template"))
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        where = file.name if file else "tokenizer_config.json의 chat_template"
        raise UserError(f"{key}={place}: {where}이(가) 손상되었습니다. 체크포인트를 다시 받아 주세요.") from None
    if template:
        return template, special
    if "eos_token" not in special:
        raise UserError(
            f"{key}={place}: 대화 틀(chat_template)도 글을 끝맺는 토큰(eos_token)도 없어 대화를 가르칠 수 없습니다. "
            "tokenizer_config.json에 eos_token을 적거나 다른 체크포인트를 고르세요."
        )
    log.info("%s에는 대화 틀(chat_template)이 없어, [사용자]와 [유희]로 말하는 이를 적는 틀을 씁니다.", place)
    return PLAIN_TEMPLATE, special


def _json(place: str, key: str, name: str) -> dict[str, Any]:
    file = find_file(place, key, name)
    if file is None:
        return {}
    try:
        return dict(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        raise UserError(f"{key}={place}: {name}이 손상되었습니다. 체크포인트를 다시 받아 주세요.") from None


def _content(token: Any) -> str | None:
    """A special token, which files write as text or with its flags."""
    text = token.get("content") if isinstance(token, Mapping) else token
    return text if isinstance(text, str) and text else None


def _default(template: Any) -> str | None:
    """The template for plain conversations, where a checkpoint has several."""
    if isinstance(template, list):
        return next((str(each["template"]) for each in template if each.get("name") == "default"), None)
    if template is not None and not isinstance(template, str):
        raise TypeError("a template is text")
    return template or None


def _from_ids(config: Mapping[str, Any], vocabulary: str) -> dict[str, str]:
    """Special tokens that only the network's config names, by their ids."""
    data = json.loads(vocabulary)
    texts = {token["id"]: token["content"] for token in data["added_tokens"]}
    found = {}
    for name in ("bos_token", "eos_token"):
        index = config.get(f"{name}_id")
        index = index[0] if isinstance(index, list) and index else index
        if isinstance(index, int) and index in texts:
            found[name] = texts[index]
    return found
