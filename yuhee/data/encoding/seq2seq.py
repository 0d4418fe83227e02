"""The dialogue format of encoder-decoder networks (KoBART): all that was said is read, the reply is written.

    reads   <s><unused3>{question}<unused1>{emotion}<unused4>{reply}</s><unused3>{question}<unused1>{emotion}</s>
    writes  {reply}</s>

Roles and emotion stand behind tokens that KoBART keeps free. One example for each learned reply.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Literal

from tokenizers import AddedToken, Tokenizer

from yuhee.data.dialogue import Dialogue, Turn
from yuhee.data.encoding.marked import MarkedEncoder
from yuhee.data.encoding.marker_template import marker_template
from yuhee.data.encoding.markers import EMOTION, END, MASK, NEWLINE, PAD, SYSTEM
from yuhee.data.encoding.reply_example import Kind
from yuhee.data.encoding.seq2seq_example import Seq2SeqCollate, Seq2SeqExample
from yuhee.data.encoding.tokenizer import parse_tokenizer, save_tokenizer
from yuhee.data.encoding.trimming import EncodedTurn, trim
from yuhee.errors import UserError

START, USER, ASSISTANT = "<s>", "<unused3>", "<unused4>"
_FRAME = (START, END, PAD)  # what every BART has
_ROLES = (NEWLINE, EMOTION, SYSTEM, USER, ASSISTANT)


class BARTEncoder(MarkedEncoder):
    """The vocabulary and the batches of networks that read and write apart, see `MarkedEncoder`.

    Attributes:
        added: tokens that the tokenizer was given, because it keeps none free.

    Raises:
        UserError: the tokenizer is no BART's.
    """

    network: ClassVar[str] = "AutoModelForSeq2SeqLM"
    task: ClassVar[str] = "text2text-generation"
    user: ClassVar[str] = USER
    assistant: ClassVar[str] = ASSISTANT
    required: ClassVar[Sequence[str]] = (*_FRAME, *_ROLES)

    def __init__(
        self,
        tokenizer: Tokenizer,
        *,
        max_length: int,
        emotion: Literal["label", "none"] = "label",
        punctuation: Literal["keep", "strip"] = "keep",
    ) -> None:
        marked = with_markers(tokenizer)
        self.added = marked.get_vocab_size() - tokenizer.get_vocab_size()
        super().__init__(marked, max_length=max_length, emotion=emotion, punctuation=punctuation)

    @property
    def chat_template(self) -> str | None:
        """The renderer for other engines, where there is one."""
        return None

    def collate(self, *, packing: bool = False) -> Seq2SeqCollate:
        """What makes a batch of examples."""
        if packing:
            raise UserError(
                "data.packing=true: 인코더-디코더 모델은 한 줄에 이어 놓은 대화들을 따로 읽지 못합니다. "
                "data.packing=false로 두세요."
            )
        return Seq2SeqCollate(self.markers[PAD], self.end_id)

    def special_ids(self) -> dict[str, int]:
        """Values of a network's config that follow from the vocabulary; BART's decoder starts with the end token."""
        return {
            "bos_token_id": self.markers[START],
            "eos_token_id": self.end_id,
            "pad_token_id": self.markers[PAD],
            "decoder_start_token_id": self.end_id,
            "forced_eos_token_id": self.end_id,
            "vocab_size": max(self.tokenizer.get_vocab().values()) + 1,
        }

    def save(self, folder: Path, max_positions: int) -> None:
        """Write tokenizer files and the chat template."""
        special = {"bos_token": START, "eos_token": END, "pad_token": PAD}
        if MASK in self.markers.control:
            special["mask_token"] = MASK
        save_tokenizer(self.tokenizer, folder, max_positions, chat_template=self.chat_template, **special)


class Seq2SeqEncoder(BARTEncoder):
    """Renders dialogues for networks that read and write apart.

    `max_length` holds for what is read and for the reply behind the token that starts it, each by itself.
    """

    kind: ClassVar[str] = "seq2seq"
    example: ClassVar[type[Seq2SeqExample]] = Seq2SeqExample

    @property
    def chat_template(self) -> str:
        """The renderer of what is read for other engines, see `marker_template`."""
        options = {"slot": self.emotion == "label", "strip": self.punctuation == "strip"}
        return marker_template(self.markers, **options, roles=(USER, ASSISTANT), frame=(START, END))

    def render(self, turns: Iterable[Turn], *, reply: bool = True) -> str:
        """What is read before a reply, as one string."""
        return f"{START}{super().render(turns)}{END}"

    def encode(self, dialogues: Sequence[Dialogue]) -> list[Seq2SeqExample]:
        """One example for each learned reply; all turns of all dialogues in one call of the tokenizer.

        Where too much was said before, whole oldest exchanges are left out, then the oldest text is cut. A reply that
        is too long loses its last words, never its end token.
        """
        encoded = iter(self._encode_turns([turn for dialogue in dialogues for turn in dialogue.turns]))
        examples, replies = [], []
        for dialogue in dialogues:
            turns = [next(encoded) for _ in dialogue.turns]
            for place, turn in enumerate(turns):
                if turn.turn.role == "assistant" and turn.turn.weight:
                    reply = _copy(turn)
                    reply.shorten(max(0, len(reply.ids) - self.max_length))
                    replies.append(reply)
                    examples.append(self._example(dialogue.id, turns[:place], reply))
        lost = self._lost(replies)
        return [replace(example, lost=count) for example, count in zip(examples, lost, strict=True)]

    def prompt(
        self,
        turns: Sequence[Turn],
        max_length: int | None = None,
        spoken: Sequence[Sequence[int] | None] = (),
    ) -> list[int]:
        """Ids of what is read before a reply, trimmed as in training, to at most `max_length` tokens."""
        return self._read(self._encode_turns(turns), min(max_length or self.max_length, self.max_length))[0]

    def _example(self, name: str, before: Sequence[EncodedTurn], reply: EncodedTurn) -> Seq2SeqExample:
        input_ids, kinds, dropped, cut = self._read(before, self.max_length)
        return Seq2SeqExample(
            id=name,
            input_ids=input_ids,
            kinds=kinds,
            reply_ids=reply.ids[1:],
            characters=len(reply.turn.text) + 1,
            lost=0,
            dropped=dropped,
            cut=cut + reply.cut,
            cut_replies=int(reply.cut),
        )

    def _read(self, turns: Sequence[EncodedTurn], limit: int) -> tuple[list[int], list[int], int, int]:
        """Ids and kinds of what the encoder reads in at most `limit` tokens; dropped exchanges and cut turns."""
        kept, dropped = trim([_copy(turn) for turn in turns], limit - 2)
        ids = [token for turn in kept for token in turn.ids]
        kinds = [min(kind, Kind.CONTEXT) for turn in kept for kind in turn.kinds]
        frame = int(Kind.UNLEARNED)
        return (
            [self.markers[START], *ids, self.end_id],
            [frame, *kinds, frame],
            dropped,
            sum([turn.cut for turn in kept]),
        )


def with_markers(tokenizer: Tokenizer) -> Tokenizer:
    """The tokenizer, or where it keeps too few tokens free, one with the missing markers as new tokens.

    Raises:
        UserError: it lacks what every BART has.
    """
    if missing := [marker for marker in _FRAME if tokenizer.token_to_id(marker) is None]:
        raise UserError(
            f"토크나이저에 {', '.join(missing)} 토큰이 없어 BART로 쓸 수 없습니다. "
            "model.pretrained나 model.tokenizer에 KoBART 같은 BART의 것을 주세요."
        )
    known = {token.content for token in tokenizer.get_added_tokens_decoder().values()}
    if missing := [marker for marker in (*_FRAME, *_ROLES) if marker not in known]:
        tokenizer = parse_tokenizer(tokenizer.to_str())
        tokenizer.add_special_tokens([AddedToken(marker, special=True, normalized=False) for marker in missing])
    return tokenizer


def _copy(turn: EncodedTurn) -> EncodedTurn:
    """Trimming shortens turns in place, and a turn stands in the context of every later reply."""
    return replace(turn, ids=turn.ids.copy(), kinds=turn.kinds.copy())
