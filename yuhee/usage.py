"""Mistakes in the command line itself, in the user's language."""

import re
from typing import Any

import typer

UsageError: type[Exception] = typer.BadParameter.__mro__[1]  # Typer names only this one of its kinds
_SENTENCES = {
    "MissingParameter": "{name}: 빠졌습니다. 무엇인지 적어 주세요",
    "NoSuchOption": "{name}: 그런 옵션은 없습니다{near}",
    "BadOptionUsage": "{name}: 뒤에 값을 적어 주세요",
    "BadParameter": "{name}: 쓸 수 없는 값입니다({reason})",
}
_REASONS = (
    (r"valid integer", "정수여야 합니다"),
    (r"valid number|valid float", "수여야 합니다"),
    (r"greater than or equal to (\S+)", "{0} 이상이어야 합니다"),
    (r"less than or equal to (\S+)", "{0} 이하여야 합니다"),
    (r"'(.*)' is not one of (.+?)\.?$", "{1} 가운데 하나여야 합니다"),
)
_OTHERS = (
    (r"No such command '([^']*)'.*[Dd]id you mean '([^']*)'", "{0}: 그런 명령은 없습니다(비슷한 것: {1})"),
    (r"No such command '([^']*)'", "{0}: 그런 명령은 없습니다"),
    (r"unexpected extra arguments?(?:\(s\))? \((.*)\)", "{0}: 남는 말입니다. 빼거나 따옴표로 묶어 주세요"),
)


def usage_sentence(error: Any) -> str:
    """What is wrong with the command line, where, and where to look; Typer's own words where there are no others.

    Args:
        error: a `UsageError`.
    """
    message = str(error.message)
    parameter = getattr(error, "param", None)
    name = getattr(error, "option_name", None) or (parameter and (parameter.opts or [parameter.name])[0])
    template = _SENTENCES.get(type(error).__name__)
    if template and name:
        near = ", ".join(getattr(error, "possibilities", None) or ())
        told = template.format(
            name=name, near=f"(비슷한 것: {near})" if near else "", reason=_matching(_REASONS, message) or message
        )
    else:
        told = _matching(_OTHERS, message) or message.rstrip(".")
    command = error.ctx.command_path if error.ctx else "yuhee"
    return f"{told}. 쓰는 법은 '{command} --help' 에 있습니다."


def _matching(patterns: tuple[tuple[str, str], ...], message: str) -> str | None:
    found = ((re.search(pattern, message), sentence) for pattern, sentence in patterns)
    return next((sentence.format(*match.groups()) for match, sentence in found if match), None)
