"""Dialogues for a causal language model in its own chat template.

Each reply is learned behind exactly the ids of its chat prompt, up to the token that ends it. Where a template renders
earlier turns the same once more follow, one example learns all replies of a dialogue; where it does not (it drops earlier
thoughts, or moves the setting to the last message), each reply is an example of its own.
"""

import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from tokenizers import Encoding

from yuhee.data.dialogue import Dialogue, Turn
from yuhee.data.encoding.chat_reply import Reply, generated_from, learned_replies
from yuhee.data.encoding.chat_template import UNLIKE, ChatTemplate, Rendered
from yuhee.data.encoding.marked import lost_characters
from yuhee.data.encoding.reply_example import Collate, Example, Kind
from yuhee.data.encoding.tokenizer import (
    added_tokens,
    readable,
    save_tokenizer,
    tokenizer_of_marks,
    whole_characters,
)
from yuhee.data.encoding.turn_trimming import shortened, without_oldest
from yuhee.data.packing import Pack
from yuhee.errors import UserError


class ChatLMEncoder:
    """Renders dialogues by a checkpoint's chat template and encodes them; the same code path serves training and chat.

    Args:
        vocabulary: text of the checkpoint's `tokenizer.json`.
        template: its chat template.
        special: its special tokens by name, such as `eos_token`.
        max_length: of one example, in tokens.
        emotion: `label` writes a user turn's label behind its text, `none` leaves it out.
        punctuation: `strip` replaces `?.!,` by spaces.
        system: the setting of a dialogue that brings none.

    Raises:
        UserError: the template cannot be used, or `max_length` leaves no room for a message.
        ValueError: not a tokenizer.
    """

    kind: ClassVar[str] = "chat_lm"
    network: ClassVar[str] = "AutoModelForCausalLM"
    task: ClassVar[str] = "text-generation"
    example: ClassVar[type[Example]] = Example
    newline_id = None

    def __init__(
        self,
        vocabulary: str,
        template: str,
        special: Mapping[str, str],
        *,
        max_length: int,
        emotion: Literal["label", "none"] = "label",
        punctuation: Literal["keep", "strip"] = "keep",
        system: str = "",
    ) -> None:
        self.template = ChatTemplate(
            template,
            special,
            added_tokens(vocabulary),
            system=system,
            slot=emotion == "label",
            strip=punctuation == "strip",
        )
        self.tokenizer = tokenizer_of_marks(vocabulary, self.template.control)
        self.max_length = max_length
        self.emotion: Literal["label", "none"] = emotion
        self.punctuation = punctuation
        self.system = system
        ids = {token: self.tokenizer.token_to_id(token) for token in self.template.control}
        self.control_ids = frozenset(token for token in ids.values() if token is not None)
        self.end_id: int = self.tokenizer.token_to_id(self.template.end)  # type: ignore[assignment]
        room = len(self.prompt([Turn("user", "가")], max_length=10**9)) + 8
        if room > max_length:
            raise UserError(
                f"data.max_length={max_length}: 대화 틀과 model.system만으로 {room} 토큰이 듭니다. "
                "data.max_length를 늘리거나 model.system을 줄여 주세요."
            )

    @property
    def settings(self) -> dict[str, Any]:
        """Plain values that, with the tokenizer, make the same encoder again."""
        return {
            "kind": self.kind,
            "max_length": self.max_length,
            "emotion": self.emotion,
            "punctuation": self.punctuation,
            "system": self.system,
            "template": self.template.source,
            "special": self.template.special,
        }

    @property
    def vocabulary(self) -> str:
        """Text of `tokenizer.json`."""
        return str(self.tokenizer.to_str())

    @classmethod
    def restore(cls, vocabulary: str, settings: Mapping[str, Any]) -> "ChatLMEncoder":
        """The encoder with those settings."""
        return cls(vocabulary, **{key: value for key, value in settings.items() if key != "kind"})

    def collate(self, *, packing: bool = False) -> Collate | Pack:
        """What makes a batch of examples."""
        pad_id = self.special_ids()["pad_token_id"]
        return Pack(pad_id, self.max_length) if packing else Collate(pad_id)

    def special_ids(self) -> dict[str, int]:
        """Values of a network's config that follow from the vocabulary."""
        named = {
            f"{name}_id": index
            for name in ("bos_token", "pad_token")
            if (index := self.tokenizer.token_to_id(self.template.special.get(name, ""))) is not None
        }
        rows = max(self.tokenizer.get_vocab().values()) + 1
        return {"pad_token_id": self.end_id, **named, "eos_token_id": self.end_id, "vocab_size": rows}

    def save(self, folder: Path, max_positions: int) -> None:
        """Write tokenizer files and the chat template."""
        special = {"pad_token": self.template.end, **self.template.special}
        save_tokenizer(self.tokenizer, folder, max_positions, chat_template=self.template.safe, **special)

    def encode(self, dialogues: Sequence[Dialogue]) -> list[Example]:
        """One example for each dialogue, or for each of its replies if earlier turns change once more follow.

        A dialogue that is too long loses whole oldest exchanges first; then the oldest text is cut, last of all the
        reply's own, never its end token.

        Raises:
            UserError: the template renders a prompt in another way than the conversation it belongs to.
        """
        return [example for dialogue in dialogues for example in self._examples(dialogue)]

    def prompt(
        self,
        turns: Sequence[Turn],
        max_length: int | None = None,
        spoken: Sequence[Sequence[int] | None] = (),
    ) -> list[int]:
        """Ids of a conversation that waits for a reply, trimmed as in training to `max_length` tokens.

        Args:
            spoken: is not asked: a template says how a reply is written once it is over.
        """
        limit, turns = max_length or self.max_length, list(turns)
        while True:
            ids = self._encodings([self._render(turns, reply=True).text])[0].ids
            surplus = len(ids) - limit
            if surplus <= 0 or (fewer := without_oldest(turns) or shortened(turns, surplus, self.tokenizer)) is None:
                return ids[-limit:]
            turns = fewer

    def learned(self, turns: Sequence[Turn]) -> list[int]:
        """Places of the turns with which a learned reply ends, in order."""
        return [reply.end - 1 for reply in learned_replies(turns, together=self.template.alternates)]

    def reply_ids(self, text: str) -> list[int]:
        """Ids of a reply's words, without its end."""
        turns = [Turn("user", "…"), Turn("assistant", text)]
        return self._alone(turns, Reply(1, 2))[1][:-1]

    def decode(self, ids: Sequence[int]) -> str:
        """Text of a reply's tokens, as people type it, without control tokens."""
        words = [token for token in ids if token not in self.control_ids]
        return readable(unicodedata.normalize("NFC", self._plain(words))).strip()

    def whole_characters(self, ids: Sequence[int]) -> Sequence[int]:
        """The ids up to a last run of tokens which may yet grow into another character."""
        return whole_characters(self.tokenizer, ids, self._plain)

    def _examples(self, dialogue: Dialogue) -> list[Example]:
        replies = learned_replies(dialogue.turns, together=self.template.alternates)
        if not replies:
            return []
        return self._together(dialogue, replies) or [self._by_itself(dialogue, reply) for reply in replies]

    def _together(self, dialogue: Dialogue, replies: Sequence[Reply]) -> list[Example]:
        """One example of all replies that fit; none where the whole does not begin as each of them and its prompt do."""
        turns, dropped = list(dialogue.turns[: replies[-1].end]), 0
        while True:
            whole, prompts = self._render(turns), self._prompts(turns, replies)
            said = [self._said(turns, reply, prompt) for reply, prompt in zip(replies, prompts, strict=True)]
            begins = [prompt + (words or "") for prompt, words in zip(prompts, said, strict=True)]
            if None in said or not all(map(whole.text.startswith, begins)):
                return []
            encoding, *before = self._encodings([begins[-1], *prompts])
            ids, kinds, learned = list(encoding.ids), [int(Kind.UNLEARNED)] * len(encoding.ids), []
            for prompt in before:
                begin = len(prompt.ids)
                if ids[:begin] != prompt.ids or self.end_id not in ids[begin:]:
                    return []
                end = ids.index(self.end_id, begin) + 1
                begin = generated_from(whole, encoding.offsets, begin, end)
                kinds[begin:end] = [int(Kind.REPLY)] * (end - begin)
                learned.append(ids[begin:end])
            if len(ids) <= self.max_length:
                texts = [reply.text(turns) for reply in replies]
                return [Example(dialogue.id, ids, kinds, *self._characters(texts, learned), dropped=dropped)]
            if (fewer := without_oldest(turns)) is None:
                return []
            first, gone = int(turns[0].role == "system"), len(turns) - len(fewer)
            replies = [Reply(start - gone, end - gone) for start, end in replies if start - gone >= first]
            turns, dropped = fewer, dropped + 1

    def _by_itself(self, dialogue: Dialogue, reply: Reply) -> Example:
        """An example of one reply behind its own prompt."""
        before, said = list(dialogue.turns[: reply.start]), list(dialogue.turns[reply.start : reply.end])
        dropped = cut_reply = 0
        while True:
            place = Reply(len(before), len(before) + len(said))
            prompt, words, begin = self._alone([*before, *said], place)
            surplus = len(prompt) + len(words) - self.max_length
            if surplus <= 0:
                break
            fewer = without_oldest(before) or shortened(before, surplus, self.tokenizer)
            if fewer is None:
                prompt = prompt[-(self.max_length - 2) :]
                words, cut_reply = [*words[: self.max_length - len(prompt) - 1], self.end_id], 1
                break
            dropped += len(fewer) < len(before)
            before = fewer
        cut = sum([all(turn is not own for own in dialogue.turns) for turn in before])
        kinds = [Kind.UNLEARNED] * (len(prompt) + begin) + [Kind.REPLY] * (len(words) - begin)
        figures = self._characters([reply.text(dialogue.turns)], [words[begin:]])
        return Example(
            dialogue.id, prompt + words, list(map(int, kinds)), *figures, dropped, cut + cut_reply, cut_reply
        )

    def _alone(self, turns: Sequence[Turn], reply: Reply) -> tuple[list[int], list[int], int]:
        """Ids of a reply's prompt, of the reply with its end, and how many of the latter the template itself writes."""
        [prompt] = self._prompts(turns, [reply])
        said = self._said(turns, reply, prompt)
        if said is None:
            raise UserError(UNLIKE)
        encoding, before = self._encodings([prompt + said, prompt])
        begin = len(before.ids)
        words = encoding.ids[begin:]
        if encoding.ids[:begin] == before.ids and words[-1:] == [self.end_id] and words.count(self.end_id) == 1:
            rendered = self._render(turns[: reply.end])
            return before.ids, words, generated_from(rendered, encoding.offsets, begin, len(encoding.ids)) - begin
        # a token would stand across the border: the reply is read as what follows a line break
        line, follows = self._encodings(["\n", "\n" + said.removesuffix(self.template.end)])
        return before.ids, [*follows.ids[len(line.ids) :], self.end_id], 0

    def _said(self, turns: Sequence[Turn], reply: Reply, prompt: str) -> str | None:
        """What follows a prompt up to the reply's end token; None if it does not follow."""
        text = self._render(turns[: reply.end]).text
        end = text.find(self.template.end, len(prompt))
        return text[len(prompt) : end + len(self.template.end)] if text.startswith(prompt) and end >= 0 else None

    def _prompts(self, turns: Sequence[Turn], replies: Sequence[Reply]) -> list[str]:
        return [self._render(turns[: reply.start], reply=True).text for reply in replies]

    def _plain(self, ids: list[int]) -> str:
        return str(self.tokenizer.decode(ids, skip_special_tokens=False))

    def _render(self, turns: Sequence[Turn], *, reply: bool = False) -> Rendered:
        messages = [
            {"role": turn.role, "content": turn.text, **({"emotion": turn.emotion} if turn.emotion else {})}
            for turn in turns
        ]
        return self.template.render(messages, reply=reply)

    def _encodings(self, texts: Sequence[str]) -> list[Encoding]:
        # few and short: handing them out to threads would take longer
        return [self.tokenizer.encode(text, add_special_tokens=False) for text in texts]

    def _characters(self, texts: Sequence[str], learned: Sequence[Sequence[int]]) -> tuple[int, int]:
        """Characters of replies with an end each, and how many of them their tokens do not give back."""
        lost = [lost_characters(text, self.decode(ids)) for text, ids in zip(texts, learned, strict=True)]
        return sum(len(text) + 1 for text in texts), sum(lost)
