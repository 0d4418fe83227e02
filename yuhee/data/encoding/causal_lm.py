"""The dialogue format of causal language models: KoGPT2-chatbot's, continued to many turns.

    <usr>{question}<unused1>{emotion}<sys>{reply}</s><usr>{question}<unused1>{emotion}<sys>{reply}</s>…
                                          └ learned ─┘                                    └ learned ─┘

`<unused1>` opens the emotion slot (empty without a label), `<unused0>` stands for a line break inside a turn,
`<unused2>` opens a system turn. One pass learns every reply of a dialogue.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import IntEnum
from typing import Any, Literal

from tokenizers import Tokenizer

from yuhee.data.dialogue import Dialogue, Turn
from yuhee.data.encoding.markers import ASSISTANT, EMOTION, END, NEWLINE, SYSTEM, USER, Markers
from yuhee.data.encoding.tokenizer import readable
from yuhee.data.encoding.trimming import EncodedTurn, trim, up_to_last_learned_reply

BYTE_TOKEN = re.compile(r"<0x[0-9A-F]{2}>")
PUNCTUATION = re.compile(r"[?.!,]")


class Kind(IntEnum):
    """What a token is to the loss."""

    UNLEARNED = 0  # markers, emotion labels, system turns, replies of weight 0
    CONTEXT = 1  # words of the user's turns: learned with `model.context_loss_weight`
    REPLY = 2  # words of a reply and its end token


@dataclass(frozen=True, slots=True)
class Example:
    """One encoded dialogue.

    Attributes:
        id: the dialogue's.
        input_ids: (length,) token ids.
        kinds: (length,) `Kind` of each token.
        characters: characters of the raw replies in NFC, plus one for the end of each.
        lost: characters of the raw replies that decoding the learned tokens does not give back.
        dropped: exchanges (or turns of one exchange) left out because the dialogue was too long.
        cut: turns whose text was shortened, `cut_replies` of them replies.
    """

    id: str
    input_ids: list[int]
    kinds: list[int]
    characters: int
    lost: int
    dropped: int = 0
    cut: int = 0
    cut_replies: int = 0

    @property
    def labels(self) -> list[int]:
        """(length,) the token id where a reply is learned, −100 elsewhere; not shifted."""
        return [token if kind == Kind.REPLY else -100 for token, kind in zip(self.input_ids, self.kinds, strict=True)]


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

    kind = "causal_lm"

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
        self._control_ids = frozenset(self.markers.control.values())

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
    def end_id(self) -> int:
        return self.markers[END]

    @property
    def newline_id(self) -> int:
        return self.markers[NEWLINE]

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

    def prompt(self, turns: Sequence[Turn], max_length: int | None = None) -> list[int]:
        """Ids of a conversation that waits for a reply, trimmed as in training to `max_length` tokens."""
        encoded = self._encode_turns(turns)
        kept, _ = trim(encoded, (max_length or self.max_length) - 1)
        return [token for turn in kept for token in turn.ids] + [self.markers[ASSISTANT]]

    def turn_ids(self, turn: Turn) -> list[int]:
        """Ids of one turn; a conversation's are those of its turns one after another."""
        return self._encode_turns([turn])[0].ids

    def decode(self, ids: Sequence[int]) -> str:
        """Text of a reply's tokens, as people type it; control markers are left out, line breaks come back."""
        return self._decode([ids])[0]

    def _decode(self, replies: Sequence[Sequence[int]]) -> list[str]:
        """Texts of many replies in one call of the tokenizer."""
        newline, control = self.newline_id, self._control_ids
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
