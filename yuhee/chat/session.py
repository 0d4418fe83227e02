"""A conversation as it goes on: what was said, as turns and as the ids that the model saw."""

import sys
from collections.abc import Generator, Sequence
from dataclasses import dataclass

from yuhee.chat.care import fixed_reply
from yuhee.chat.engine import Decoding, ReplyEngine
from yuhee.data.dialogue import Turn
from yuhee.data.encoding.encoder import ReplyEncoder
from yuhee.data.encoding.tokenizer import BROKEN

SILENCE = "…"  # stands for a reply of nothing but white space


@dataclass(frozen=True, slots=True)
class Memory:
    """How much of a conversation a reply may look back on.

    Attributes:
        exchanges: before the current message. A model has no use for more than it was trained on.
        tokens: of the whole prompt, beyond which oldest exchanges are left out.
    """

    exchanges: int
    tokens: int


def reply_text(encoder: ReplyEncoder, ids: Sequence[int]) -> str:
    """A whole reply: no half character and no white space at its ends, never nothing."""
    return encoder.decode(ids).rstrip(BROKEN).strip() or SILENCE


class Session:
    """One conversation with one engine.

    Replies are remembered as the very ids that were generated, so that the engine's cache of them stays valid.
    """

    def __init__(self, engine: ReplyEngine, encoder: ReplyEncoder, memory: Memory) -> None:
        self.engine = engine
        self.encoder = encoder
        self.memory = memory
        self._said: list[tuple[Turn, list[int] | None]] = []  # with the ids that a reply was generated as

    @property
    def turns(self) -> list[Turn]:
        return [turn for turn, _ in self._said]

    def restore(self, turns: Sequence[Turn]) -> None:
        """Continue a conversation that was held elsewhere."""
        self._said = [(turn, None) for turn in turns]

    def say(self, turn: Turn, decoding: Decoding, seed: int | None = None) -> Generator[str]:
        """Add the user's turn and yield the reply in pieces; whatever was generated is remembered.

        Args:
            turn: of the user.
            seed: of the sampling.
        """
        if answer := fixed_reply(turn.text):
            self._said += [(turn, None), (Turn("assistant", answer), None)]
            yield answer
            return
        ids: list[int] = []
        shown, finished = "", False
        try:
            for token in self.engine.stream(self.prompt(turn, decoding), decoding, seed):
                ids.append(token)
                text = self._settled(ids)
                if len(text) > len(shown) and text.startswith(shown):
                    yield text[len(shown) :]
                    shown = text
            text = reply_text(self.encoder, ids)
            if text.startswith(shown):
                yield text[len(shown) :]
            finished = True
        finally:
            if finished or ids:  # a reply that was stopped half way was said as far as it went
                self._remember(turn, ids)

    def undo(self) -> Turn | None:
        """Take the last exchange back; returns the user's turn of it, or None if there was none."""
        while self._said:
            turn, _ = self._said.pop()
            if turn.role == "user":
                return turn
        return None

    def reset(self) -> None:
        """Forget everything that was said."""
        self._said = []

    def prompt(self, turn: Turn, decoding: Decoding) -> list[int]:
        """Ids of what is remembered and the new turn, open for the reply; whole exchanges are left out."""
        room = max(self.engine.max_positions - decoding.max_new_tokens, 8)
        setting = self._said[:1] if self._said and self._said[0][0].role == "system" else []
        starts = [place for place in range(len(self._said)) if self._opens_an_exchange(place)]
        for start in starts[max(0, len(starts) - self.memory.exchanges) :]:
            ids = self._ids([*setting, *self._said[start:], (turn, None)])
            if len(ids) <= min(self.memory.tokens, room):
                return ids
        return self._ids([*setting, (turn, None)], room)

    def _ids(self, said: Sequence[tuple[Turn, list[int] | None]], max_length: int = sys.maxsize) -> list[int]:
        return self.encoder.prompt([turn for turn, _ in said], max_length, [ids for _, ids in said])

    def _remember(self, question: Turn, ids: list[int]) -> None:
        reply = Turn("assistant", reply_text(self.encoder, ids))
        self._said += [(question, None), (reply, None if reply.text == SILENCE else ids)]

    def _settled(self, ids: list[int]) -> str:
        """The part of a growing reply that further tokens cannot change."""
        return self.encoder.decode(self.encoder.whole_characters(ids)).strip()

    def _opens_an_exchange(self, place: int) -> bool:
        """True at the user's first message after a reply, and at whatever was said first."""
        role = self._said[place][0].role
        before = self._said[place - 1][0].role if place else "system"
        return role != "system" and (before == "system" or (role == "user" and before == "assistant"))
