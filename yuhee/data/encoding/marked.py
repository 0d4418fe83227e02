"""What the encoders of the marker format share: turns between control markers, and texts that come back from ids."""

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any, ClassVar, Literal, Self

from tokenizers import Tokenizer

from yuhee.data.dialogue import Turn
from yuhee.data.encoding.markers import ASSISTANT, EMOTION, END, NEWLINE, PAD, REQUIRED, SYSTEM, USER, Markers
from yuhee.data.encoding.reply_example import Kind
from yuhee.data.encoding.tokenizer import parse_tokenizer, readable, whole_characters
from yuhee.data.encoding.trimming import EncodedTurn

PUNCTUATION = re.compile(r"[?.!,]")


class MarkedEncoder:
    """Renders turns between control markers and encodes them; the same code path serves training and chat.

    Args:
        tokenizer: with the control markers of the format.
        max_length: of one example, in tokens.
        emotion: `label` writes a user turn's label into its slot, `none` leaves every slot empty.
        punctuation: `strip` replaces `?.!,` by spaces as the original script did.

    Attributes:
        user, assistant: markers that open a turn.
        required: markers that the format needs.

    Raises:
        UserError: the tokenizer lacks a control marker.
    """

    kind: ClassVar[str]
    user: ClassVar[str] = USER
    assistant: ClassVar[str] = ASSISTANT
    required: ClassVar[Sequence[str]] = REQUIRED

    def __init__(
        self,
        tokenizer: Tokenizer,
        *,
        max_length: int,
        emotion: Literal["label", "none"] = "label",
        punctuation: Literal["keep", "strip"] = "keep",
    ) -> None:
        self.tokenizer = tokenizer
        self.markers = Markers.of(tokenizer, self.required)
        self.max_length = max_length
        self.emotion = emotion
        self.punctuation = punctuation
        self.control_ids = frozenset(self.markers.control.values())
        self.end_id = self.markers[END]
        self.newline_id = self.markers[NEWLINE]

    def special_ids(self) -> dict[str, int]:
        """Values of a network's config that follow from the vocabulary."""
        return {
            "bos_token_id": self.end_id,
            "eos_token_id": self.end_id,
            "pad_token_id": self.markers[PAD],
            "vocab_size": max(self.tokenizer.get_vocab().values()) + 1,
        }

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

    @classmethod
    def restore(cls, vocabulary: str, settings: Mapping[str, Any]) -> Self:
        """The encoder with those settings."""
        known = ("max_length", "emotion", "punctuation")
        return cls(parse_tokenizer(vocabulary), **{key: settings[key] for key in known})

    def render(self, turns: Iterable[Turn], *, reply: bool = False) -> str:
        """A conversation as one string; with `reply`, open for the next reply."""
        return "".join(map(self._render_turn, turns)) + (self.assistant if reply else "")

    def learned(self, turns: Sequence[Turn]) -> list[int]:
        """Places of the turns with which a learned reply ends, in order."""
        return [place for place, turn in enumerate(turns) if turn.role == "assistant" and turn.weight]

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
        """The ids up to a last run of tokens for bytes, which may yet grow into another character."""
        return whole_characters(self.tokenizer, ids, self.tokenizer.decode)

    def _render_turn(self, turn: Turn) -> str:
        if turn.role == "user":
            label = turn.emotion if self.emotion == "label" and turn.emotion else ""
            return f"{self.user}{self._text(turn.text)}{EMOTION}{self.markers.defuse(label)}"
        if turn.role == "assistant":
            return f"{self.assistant}{self._text(turn.text)}{END}"
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
