"""Fitting a conversation that is too long before it is rendered: oldest exchanges first, then the oldest text."""

from collections.abc import Sequence
from dataclasses import replace

from tokenizers import Tokenizer

from yuhee.data.dialogue import Turn

_ORDER = ("user", "assistant", "system")


def without_oldest(turns: Sequence[Turn]) -> list[Turn] | None:
    """The conversation without its oldest exchange; None if there is only one."""
    first = int(bool(turns) and turns[0].role == "system")
    for place in range(first + 1, len(turns)):
        if turns[place].role == "user" and turns[place - 1].role == "assistant":
            return [*turns[:first], *turns[place:]]
    return None


def shortened(turns: Sequence[Turn], surplus: int, tokenizer: Tokenizer) -> list[Turn] | None:
    """One exchange with less text: up to `surplus` tokens of the user's oldest words, then of others'.

    Texts of one character go with their turns, all but the last one; None if nothing is left to take.
    """
    for place, turn in sorted(enumerate(turns), key=lambda pair: _ORDER.index(pair[1].role)):
        if len(text := turn.text.strip()) > 1:
            offsets = tokenizer.encode(text, add_special_tokens=False).offsets
            start = max(offsets[surplus][0] if surplus < len(offsets) else len(text), 1)
            rest = text[start:].strip() or text[-1]
            return [*turns[:place], replace(turn, text=rest), *turns[place + 1 :]]
    first = int(bool(turns) and turns[0].role == "system")
    return [*turns[:first], *turns[first + 1 :]] if len(turns) > first + 1 else None
