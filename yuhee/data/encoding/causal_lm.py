"""The dialogue format of causal language models: KoGPT2-chatbot's, continued to many turns.

    <usr>{question}<unused1>{emotion}<sys>{reply}</s><usr>{question}<unused1>{emotion}<sys>{reply}</s>…
                                          └ learned ─┘                                    └ learned ─┘

`<unused1>` opens the emotion slot (empty without a label), `<unused0>` stands for a line break inside a turn,
`<unused2>` opens a system turn. One pass learns every reply of a dialogue.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any, ClassVar, Literal

from tokenizers import Tokenizer

from yuhee.data.dialogue import Dialogue, Turn
from yuhee.data.encoding.chat_template import chat_template
from yuhee.data.encoding.markers import ASSISTANT, EMOTION, END, NEWLINE, PAD, SYSTEM, USER, Markers
from yuhee.data.encoding.reply_example import Collate, Example, Kind
from yuhee.data.encoding.tokenizer import parse_tokenizer, readable, save_tokenizer
from yuhee.data.encoding.trimming import EncodedTurn, trim, up_to_last_learned_reply
from yuhee.data.packing import Pack

BYTE_TOKEN = re.compile(r"<0x[0-9A-F]{2}>")
PUNCTUATION = re.compile(r"[?.!,]")


class CausalLMEncoder:
    """Renders dialogues and encodes them; the same code path serves training and chat.

    Args:
        tokenizer: with KoGPT2's control markers.
        max_length: of one example, in tokens.
        emotion: `label` writes a user turn's label into its slot, `none` leaves every slot empty.
        punctuation: `strip` replaces `?.!,` by spaces as the original script did.

    Raises:
        UserError: the tokenizer lacks a control marker.
    """

    kind: ClassVar[str] = "causal_lm"
    network: ClassVar[str] = "AutoModelForCausalLM"
    task: ClassVar[str] = "text-generation"
    example: ClassVar[type[Example]] = Example

    def __init__(
        self,
        tokenizer: Tokenizer,
        *,
        max_length: int,
        emotion: Literal["label", "none"] = "label",
        punctuation: Literal["keep", "strip"] = "keep",
    ) -> None:
        self.tokenizer = tokenizer
        self.markers = Markers.of(tokenizer)
        self.max_length = max_length
        self.emotion = emotion
        self.punctuation = punctuation
        self.control_ids = frozenset(self.markers.control.values())
        self.end_id = self.markers[END]
        self.newline_id = self.markers[NEWLINE]

    @property
    def settings(self) -> dict[str, Any]:
        """Plain values that, with the tokenizer, make the same encoder again."""
        return {
            "kind": self.kind,
            "max_length": self.max_length,
            "emotion": self.emotion,
            "punctuation": self.punctuation,
        }

    @property
    def vocabulary(self) -> str:
        """Text of `tokenizer.json`."""
        return self.tokenizer.to_str()

    @property
    def chat_template(self) -> str:
        """The renderer for other engines, see `chat_template`."""
        return chat_template(self.markers, slot=self.emotion == "label", strip=self.punctuation == "strip")

    @classmethod
    def restore(cls, vocabulary: str, settings: Mapping[str, Any]) -> "CausalLMEncoder":
        """The encoder with those settings."""
        known = ("max_length", "emotion", "punctuation")
        return cls(parse_tokenizer(vocabulary), **{key: settings[key] for key in known})

    def collate(self, *, packing: bool = False) -> Collate | Pack:
        """What makes a batch of examples."""
        pad_id = self.markers[PAD]
        return Pack(pad_id, self.max_length) if packing else Collate(pad_id)

    def special_ids(self) -> dict[str, int]:
        """Values of a network's config that follow from the vocabulary."""
        return {
            "bos_token_id": self.end_id,
            "eos_token_id": self.end_id,
            "pad_token_id": self.markers[PAD],
            "vocab_size": max(self.tokenizer.get_vocab().values()) + 1,
        }

    def save(self, folder: Path, max_positions: int) -> None:
        """Write tokenizer files and the chat template."""
        special = {"chat_template": self.chat_template, "eos_token": END, "pad_token": PAD}
        save_tokenizer(self.tokenizer, folder, max_positions, **special)

    def render(self, turns: Iterable[Turn], *, reply: bool = False) -> str:
        """A conversation as one string; with `reply`, open for the next reply."""
        return "".join(map(self._render_turn, turns)) + (ASSISTANT if reply else "")

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

    def turn_ids(self, turn: Turn) -> list[int]:
        """Ids of one turn; a conversation's are those of its turns one after another."""
        return self._encode_turns([turn])[0].ids

    def reply_ids(self, text: str) -> list[int]:
        """Ids of a reply's words, without its end."""
        return self.turn_ids(Turn("assistant", text))[1:-1]

    def decode(self, ids: Sequence[int]) -> str:
        """Text of a reply's tokens, as people type it; control markers are left out, line breaks come back."""
        return self._decode([ids])[0]

    def _decode(self, replies: Sequence[Sequence[int]]) -> list[str]:
        """Texts of many replies in one call of the tokenizer."""
        newline, control = self.newline_id, self.control_ids
        lines: list[list[int]] = []
        ends = []
        for ids in replies:
            lines.append([])
            for token in ids:
                if token == newline:
                    lines.append([])
                elif token not in control:
                    lines[-1].append(token)
            ends.append(len(lines))
        texts = self.tokenizer.decode_batch(lines, skip_special_tokens=False)
        texts = [self.markers.unguard(readable(text)) for text in texts]
        return [
            self.markers.look_alike("\n".join(texts[start:end])) for start, end in zip([0, *ends], ends, strict=False)
        ]

    def whole_characters(self, ids: Sequence[int]) -> Sequence[int]:
        """The ids up to a last run of byte tokens, which may yet grow into another character."""
        end = len(ids)
        while end and BYTE_TOKEN.fullmatch(self.tokenizer.id_to_token(ids[end - 1]) or ""):
            end -= 1
        return ids[:end]

    def _render_turn(self, turn: Turn) -> str:
        if turn.role == "user":
            label = turn.emotion if self.emotion == "label" and turn.emotion else ""
            return f"{USER}{self._text(turn.text)}{EMOTION}{self.markers.defuse(label)}"
        if turn.role == "assistant":
            return f"{ASSISTANT}{self._text(turn.text)}{END}"
        return f"{SYSTEM}{self._text(turn.text)}"

    def _text(self, text: str) -> str:
        return self.markers.defuse(PUNCTUATION.sub(" ", text) if self.punctuation == "strip" else text)

    def _encode_turns(self, turns: Sequence[Turn]) -> list[EncodedTurn]:
        # Markers split the text before the tokenizer looks at it, so a turn's ids do not depend on its neighbours.
        strings = [self._render_turn(turn) for turn in turns]
        encodings = self.tokenizer.encode_batch_fast(strings, add_special_tokens=False)
        slot = self.markers[EMOTION]
        result = []
        for turn, encoding in zip(turns, encodings, strict=True):
            ids = encoding.ids
            kinds = [int(Kind.UNLEARNED)] * len(ids)
            text_end = len(ids)
            if turn.role == "user":
                text_end = ids.index(slot)
                kinds[1:text_end] = [int(Kind.CONTEXT)] * (text_end - 1)
            elif turn.role == "assistant":
                text_end = len(ids) - 1
                if turn.weight:
                    kinds[1:] = [int(Kind.REPLY)] * text_end
            result.append(EncodedTurn(turn, ids, kinds, text_end))
        return result

    def _fitted(self, encoded: list[EncodedTurn]) -> tuple[list[EncodedTurn], int]:
        """The turns of a dialogue that fit into an example, and the number of dropped exchanges."""
        if sum([len(turn.ids) for turn in encoded]) > self.max_length:
            encoded = up_to_last_learned_reply(encoded)
        return trim(encoded, self.max_length)

    def _lost(self, replies: Sequence[EncodedTurn]) -> list[int]:
        """Of each reply, the characters that decoding its tokens does not give back."""
        decoded = self._decode([reply.ids for reply in replies])
        return [lost_characters(reply.turn.text, back) for reply, back in zip(replies, decoded, strict=True)]


def lost_characters(raw: str, back: str) -> int:
    """Characters of a reply that decoding its tokens does not give back.

    Args:
        raw: the reply in NFC.
        back: what its tokens decode to.
    """
    if raw == back:
        return 0
    blocks = SequenceMatcher(None, raw, back, autojunk=False).get_matching_blocks()
    return len(raw) - sum(block.size for block in blocks)
