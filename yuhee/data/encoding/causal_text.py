"""Plain text for causal language models: what people say, turn after turn, whoever says it.

    </s>{turn}</s>{turn}</s>…
        └ learned ──────────┘

A long dialogue goes on in a further example, which begins with the last token of the one before.
"""

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import ClassVar

from yuhee.data.dialogue import Dialogue
from yuhee.data.encoding.marked import MarkedEncoder, lost_characters
from yuhee.data.encoding.markers import END, PAD
from yuhee.data.encoding.reply_example import Collate, Example, Kind
from yuhee.data.encoding.tokenizer import save_tokenizer
from yuhee.data.packing import Pack


class CausalTextEncoder(MarkedEncoder):
    """Every token of every turn is learned once, with the vocabulary of the chat that follows."""

    kind: ClassVar[str] = "causal_text"
    network: ClassVar[str] = "AutoModelForCausalLM"
    task: ClassVar[str] = "text-generation"
    example: ClassVar[type[Example]] = Example

    def collate(self, *, packing: bool = False) -> Collate | Pack:
        """What makes a batch of examples."""
        pad_id = self.markers[PAD]
        return Pack(pad_id, self.max_length) if packing else Collate(pad_id)

    def save(self, folder: Path, max_positions: int) -> None:
        """Write tokenizer files."""
        save_tokenizer(self.tokenizer, folder, max_positions, eos_token=END, pad_token=PAD)

    def encode(self, dialogues: Sequence[Dialogue]) -> list[Example]:
        """Examples of each dialogue, in order; figures of a whole dialogue stand with its first."""
        texts = [turn.text for dialogue in dialogues for turn in dialogue.turns]
        encodings = self.tokenizer.encode_batch_fast([self._text(text) for text in texts], add_special_tokens=False)
        ids = [encoding.ids for encoding in encodings]
        lost = [lost_characters(text, back) for text, back in zip(texts, self._decode(ids), strict=True)]
        turns = iter(zip(texts, ids, lost, strict=True))
        return [piece for each in dialogues for piece in self._pieces(each.id, [next(turns) for _ in each.turns])]

    def _pieces(self, name: str, turns: Sequence[tuple[str, list[int], int]]) -> list[Example]:
        ids = [self.end_id, *chain.from_iterable([*turn, self.end_id] for _, turn, _ in turns)]
        step = self.max_length - 1
        figures = (sum(len(text) + 1 for text, _, _ in turns), sum(lost for _, _, lost in turns))
        return [
            Example(
                name,
                piece := ids[start : start + self.max_length],
                [int(Kind.UNLEARNED), *[int(Kind.REPLY)] * (len(piece) - 1)],
                *(figures if start == 0 else (0, 0)),
            )
            for start in range(0, len(ids) - 1, step)
        ]
