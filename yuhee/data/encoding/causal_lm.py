"""The dialogue format of causal language models: KoGPT2-chatbot's, continued to many turns.

    <usr>{question}<unused1>{emotion}<sys>{reply}</s><usr>{question}<unused1>{emotion}<sys>{reply}</s>…
                                          └ learned ─┘                                    └ learned ─┘

`<unused1>` opens the emotion slot (empty without a label), `<unused0>` stands for a line break inside a turn,
`<unused2>` opens a system turn. One pass learns every reply of a dialogue.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from yuhee.data.dialogue import Dialogue, Turn
from yuhee.data.encoding.marked import MarkedEncoder
from yuhee.data.encoding.marker_template import marker_template
from yuhee.data.encoding.markers import ASSISTANT, END, PAD
from yuhee.data.encoding.reply_example import Collate, Example, Kind
from yuhee.data.encoding.tokenizer import save_tokenizer
from yuhee.data.encoding.trimming import EncodedTurn, trim, up_to_last_learned_reply
from yuhee.data.packing import Pack


class CausalLMEncoder(MarkedEncoder):
    """Renders dialogues with KoGPT2's markers and encodes them, see `MarkedEncoder`."""

    kind: ClassVar[str] = "causal_lm"
    network: ClassVar[str] = "AutoModelForCausalLM"
    task: ClassVar[str] = "text-generation"
    example: ClassVar[type[Example]] = Example

    @property
    def chat_template(self) -> str:
        """The renderer for other engines, see `marker_template`."""
        return marker_template(self.markers, slot=self.emotion == "label", strip=self.punctuation == "strip")

    def collate(self, *, packing: bool = False) -> Collate | Pack:
        """What makes a batch of examples."""
        pad_id = self.markers[PAD]
        return Pack(pad_id, self.max_length) if packing else Collate(pad_id)

    def save(self, folder: Path, max_positions: int) -> None:
        """Write tokenizer files and the chat template."""
        special = {"chat_template": self.chat_template, "eos_token": END, "pad_token": PAD}
        save_tokenizer(self.tokenizer, folder, max_positions, **special)

    def encode(self, dialogues: Sequence[Dialogue]) -> list[Example]:
        """Encode many dialogues in one call of the tokenizer.

        A dialogue that is too long loses whole oldest exchanges first; then the oldest text is cut, last of all
        the reply's own, never its end token.
        """
        dialogues = list(dialogues)
        encoded = iter(self._encode_turns([turn for dialogue in dialogues for turn in dialogue.turns]))
        trimmed = [self._fitted([next(encoded) for _ in dialogue.turns]) for dialogue in dialogues]
        replies = [[turn for turn in kept if turn.turn.role == "assistant" and turn.turn.weight] for kept, _ in trimmed]
        lost = iter(self._lost([reply for some in replies for reply in some]))
        return [
            Example(
                id=dialogue.id,
                input_ids=[token for turn in kept for token in turn.ids],
                kinds=[kind for turn in kept for kind in turn.kinds],
                characters=sum([len(reply.turn.text) + 1 for reply in learned]),
                lost=sum([next(lost) for _ in learned]),
                dropped=dropped,
                cut=sum([turn.cut for turn in kept]),
                cut_replies=sum([reply.cut for reply in learned]),
            )
            for dialogue, (kept, dropped), learned in zip(dialogues, trimmed, replies, strict=True)
        ]

    def prompt(
        self,
        turns: Sequence[Turn],
        max_length: int | None = None,
        spoken: Sequence[Sequence[int] | None] = (),
    ) -> list[int]:
        """Ids of a conversation that waits for a reply, trimmed as in training to `max_length` tokens.

        Args:
            spoken: (turns,) what a reply was generated as, None where that is unknown.
        """
        encoded = self._encode_turns(turns)
        for turn, ids in zip(encoded, spoken, strict=False):
            if ids is not None:
                turn.ids = [self.markers[ASSISTANT], *ids, self.end_id]
                turn.kinds, turn.text_end = [int(Kind.UNLEARNED)] * len(turn.ids), len(ids) + 1
        kept, _ = trim(encoded, (max_length or self.max_length) - 1)
        return [token for turn in kept for token in turn.ids] + [self.markers[ASSISTANT]]

    def _fitted(self, encoded: list[EncodedTurn]) -> tuple[list[EncodedTurn], int]:
        """The turns of a dialogue that fit into an example, and the number of dropped exchanges."""
        if sum([len(turn.ids) for turn in encoded]) > self.max_length:
            encoded = up_to_last_learned_reply(encoded)
        return trim(encoded, self.max_length)
