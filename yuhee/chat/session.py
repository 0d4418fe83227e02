"""A conversation as it goes on: what was said, as turns and as the ids that the model saw."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from yuhee.chat.care import fixed_reply
from yuhee.chat.engine import Decoding, Engine
from yuhee.data.dialogue import Turn
from yuhee.data.encoding.causal_lm import CausalLMEncoder
from yuhee.data.encoding.markers import ASSISTANT

SILENCE = "…"  # stands for a reply of nothing but white space


@dataclass(frozen=True, slots=True)
class Memory:
    """How much of a conversation a reply may look back on.

    Attributes:
        exchanges: before the current message. A model has no use for more than it was trained on.
        tokens: of the whole prompt and the reply, beyond which oldest exchanges are left out.
    """

    exchanges: int
    tokens: int


class Session:
    """One conversation with one engine.

    Replies are remembered as the very ids that were generated, so that the engine's cache of them stays valid.
    """

    def __init__(self, engine: Engine, encoder: CausalLMEncoder, memory: Memory) -> None:
        self.engine = engine
        self.encoder = encoder
        self.memory = memory
        self._said: list[tuple[Turn, list[int]]] = []
        self._forgotten = 0  # turns that left the prompt; kept stable so that the cache is not cut at every turn

    @property
    def turns(self) -> list[Turn]:
        return [turn for turn, _ in self._said]

    def restore(self, turns: Sequence[Turn]) -> None:
        """Continue a conversation that was held elsewhere."""
        self._said = [(turn, self.encoder.turn_ids(turn)) for turn in turns]
        self._forgotten = 0

    def say(self, turn: Turn, decoding: Decoding, seed: int | None = None) -> Iterator[str]:
        """Add the user's turn and yield the reply in pieces; whatever was generated is remembered.

        Args:
            turn: of the user.
            seed: of the sampling.
        """
        if answer := fixed_reply(turn.text):
            self._remember(turn, Turn("assistant", answer), None)
            yield answer
            return
        ids: list[int] = []
        shown = ""
        try:
            for token in self.engine.stream(self._prompt(turn, decoding), decoding, seed):
                ids.append(token)
                text = _settled(self.encoder.decode(ids))
                if len(text) > len(shown) and text.startswith(shown):
                    yield text[len(shown) :]
                    shown = text
            text = self.encoder.decode(ids).strip() or SILENCE
            if text.startswith(shown):
                yield text[len(shown) :]
        finally:
            text = self.encoder.decode(ids).strip()
            self._remember(turn, Turn("assistant", text or SILENCE), ids if text else None)

    def undo(self) -> Turn | None:
        """Take the last exchange back; returns the user's turn of it, or None if there was none."""
        while self._said:
            turn, _ = self._said.pop()
            if turn.role == "user":
                return turn
        return None

    def reset(self) -> None:
        """Forget everything that was said."""
        self._said, self._forgotten = [], 0

    def _remember(self, question: Turn, reply: Turn, ids: list[int] | None) -> None:
        markers = self.encoder.markers
        reply_ids = self.encoder.turn_ids(reply) if ids is None else [markers[ASSISTANT], *ids, self.encoder.end_id]
        self._said += [(question, self.encoder.turn_ids(question)), (reply, reply_ids)]

    def _prompt(self, turn: Turn, decoding: Decoding) -> list[int]:
        """Ids of what is remembered and the new turn, open for the reply; whole exchanges are left out."""
        room = self.engine.max_positions - decoding.max_new_tokens
        question = self.encoder.prompt([turn], max(room, 8))
        starts = [i for i, (said, _) in enumerate(self._said) if said.role == "user" and not self._continues(i)]
        starts = starts[max(0, len(starts) - self.memory.exchanges) :] if self.memory.exchanges else []
        for start in [place for place in starts if place >= self._forgotten]:
            history = [token for _, ids in self._said[start:] for token in ids]
            if len(history) + len(question) <= min(self.memory.tokens, room):
                self._forgotten = start
                return history + question
        self._forgotten = len(self._said)
        return question

    def _continues(self, index: int) -> bool:
        return index > 0 and self._said[index - 1][0].role == "user"


def _settled(text: str) -> str:
    """The part of a growing text that further tokens cannot change: no half characters, no space at the end."""
    return text.rstrip("\ufffd").rstrip(" ")
