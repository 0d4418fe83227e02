"""Where the replies of a dialogue begin and end, as a chat template renders them."""

from collections.abc import Sequence
from typing import NamedTuple

from yuhee.data.dialogue import Turn
from yuhee.data.encoding.chat_template import Rendered


class Reply(NamedTuple):
    """Turns `start` to `end` of a dialogue, which the template renders as one message of the companion."""

    start: int
    end: int

    def text(self, turns: Sequence[Turn]) -> str:
        """Its words, a line for each turn."""
        return "\n".join(turn.text for turn in turns[self.start : self.end])


def learned_replies(turns: Sequence[Turn], *, together: bool) -> list[Reply]:
    """The replies that are learned, in order.

    Args:
        together: replies in a row are one, as where roles must alternate; it is learned if all of them are.
    """
    replies: list[Reply] = []
    for place, turn in enumerate(turns):
        if turn.role == "assistant":
            start = place
            if together and replies and replies[-1].end == place:
                start = replies.pop().start
            replies.append(Reply(start, place + 1))
    return [reply for reply in replies if all(turn.weight for turn in turns[reply.start : reply.end])]


def generated_from(rendered: Rendered, offsets: Sequence[tuple[int, int]], begin: int, end: int) -> int:
    """The first token of a reply that the template says the model generates; `begin` if it says nothing of this reply.

    Args:
        offsets: of each token in the rendered text, in characters.
        begin, end: places of the reply's first token and of the one behind its last.
    """
    first, last = offsets[begin][0], offsets[end - 1][1]
    start = next((start for start, stop in rendered.generated if stop > first and start < last), 0)
    return next(place for place in range(begin, end) if offsets[place][1] > start)
