"""Fitting a dialogue that is too long: whole oldest exchanges go first, then the oldest text, a reply's own last."""

from dataclasses import dataclass

from yuhee.data.dialogue import Turn


@dataclass(slots=True)
class EncodedTurn:
    """A turn's token ids, which may yet be shortened: the marker, the text `ids[1:text_end]`, and what follows it."""

    turn: Turn
    ids: list[int]
    kinds: list[int]
    text_end: int  # the text is ids[1:text_end]
    cut: bool = False

    def shorten(self, surplus: int) -> int:
        """Take up to `surplus` tokens away, and say how many: a question's oldest, a reply's last, then a label's."""
        before = len(self.ids)
        text = min(surplus, self.text_end - 1)
        start = self.text_end - text if self.turn.role == "assistant" else 1
        del self.ids[start : start + text], self.kinds[start : start + text]
        self.text_end -= text
        if self.turn.role == "user":
            end = max(len(self.ids) - (surplus - text), self.text_end + 1)
            del self.ids[end:], self.kinds[end:]
        self.cut = self.cut or len(self.ids) < before
        return before - len(self.ids)


def trim(turns: list[EncodedTurn], limit: int) -> tuple[list[EncodedTurn], int]:
    """Fit encoded turns into `limit` tokens; returns what is kept and the number of dropped exchanges."""
    surplus = sum(len(turn.ids) for turn in turns) - limit
    if surplus <= 0:
        return turns, 0
    system = [turn for turn in turns[:1] if turn.turn.role == "system"]
    exchanges = _exchanges(turns[len(system) :])
    dropped = 0
    while surplus > 0 and len(exchanges) > 1:
        surplus -= sum(len(turn.ids) for turn in exchanges.pop(0))
        dropped += 1
    kept = system + [turn for exchange in exchanges for turn in exchange]
    for turn in kept:
        if surplus > 0 and turn.turn.role != "assistant":
            surplus -= turn.shorten(surplus)
    while surplus > 0 and len(kept) > len(system) + 2:  # many turns in a row, whose markers alone are too many
        surplus -= len(kept.pop(len(system)).ids)
        dropped += 1
    for turn in kept:
        if surplus > 0:
            surplus -= turn.shorten(surplus)
    while surplus > 0 and len(kept) > 1:
        surplus -= len(kept.pop(0).ids)
        dropped += 1
    return kept, dropped


def up_to_last_learned_reply(turns: list[EncodedTurn]) -> list[EncodedTurn]:
    """Without the turns behind it: they teach no reply, and must not push one out of a long dialogue."""
    learned = [place for place, turn in enumerate(turns) if turn.turn.role == "assistant" and turn.turn.weight]
    return turns[: learned[-1] + 1] if learned else turns


def _exchanges(turns: list[EncodedTurn]) -> list[list[EncodedTurn]]:
    """Cut a conversation where the user speaks after a reply."""
    exchanges: list[list[EncodedTurn]] = []
    previous = None
    for turn in turns:
        if not exchanges or (turn.turn.role == "user" and previous == "assistant"):
            exchanges.append([])
        exchanges[-1].append(turn)
        previous = turn.turn.role
    return exchanges
