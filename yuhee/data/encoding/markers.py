"""Control markers: which added tokens are structure, and how text is kept from forging them.

A control marker is an added token of the form `<…>` in the tokenizer's own file. KoGPT2 flags its 122 emoticon
tokens (ㅠㅠ, ^^, 😊 …) as special too; those are ordinary text.
"""

import json
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from tokenizers import Tokenizer

from yuhee.errors import UserError

USER, ASSISTANT, END, PAD, MASK = "<usr>", "<sys>", "</s>", "<pad>", "<mask>"
NEWLINE, EMOTION, SYSTEM = "<unused0>", "<unused1>", "<unused2>"  # reserved tokens of KoGPT2, free for use
REQUIRED = (USER, ASSISTANT, END, PAD, NEWLINE, EMOTION, SYSTEM)

CONTROL_FORM = re.compile(r"<[^<>\s]+>")
# Brackets that stay themselves under NFKC; full-width ＜ would turn into < again.
OPEN, CLOSE = "〈", "〉"


@dataclass(frozen=True)
class Markers:
    """The control markers of one tokenizer.

    Attributes:
        control: marker → token id, in the file's order.
        guards: endings of ordinary text that would swallow the `<` of a following marker, because some added
            token continues them so (KoGPT2: `:-` + `<usr>` reads as the emoticon `:-<` + `usr>`).
    """

    control: dict[str, int]
    guards: tuple[str, ...]

    @classmethod
    def of(cls, tokenizer: Tokenizer, required: Sequence[str] = REQUIRED) -> "Markers":
        """Read the markers from a tokenizer.

        Args:
            required: markers that the dialogue format needs.

        Raises:
            UserError: a marker that the dialogue format needs is missing.
        """
        added = {token["content"]: token["id"] for token in json.loads(tokenizer.to_str())["added_tokens"]}
        control = {content: index for content, index in added.items() if CONTROL_FORM.fullmatch(content)}
        if missing := [marker for marker in required if marker not in control]:
            raise UserError(
                f"토크나이저에 {', '.join(missing)} 토큰이 없어 KoGPT2 대화 형식으로 쓸 수 없습니다. "
                "model.tokenizer에 KoGPT2 계열 토크나이저를 주세요."
            )
        return cls(control, tuple(swallowing(added, control)))

    def __getitem__(self, marker: str) -> int:
        return self.control[marker]

    @cached_property
    def _control_pattern(self) -> re.Pattern[str]:
        return re.compile("|".join(re.escape(m) for m in sorted(self.control, key=len, reverse=True)))

    @cached_property
    def _guard_pattern(self) -> re.Pattern[str] | None:
        if not self.guards:
            return None
        return re.compile(f"(?:{'|'.join(map(re.escape, self.guards))})(?={re.escape(NEWLINE)}|\\Z)")

    def defuse(self, text: str) -> str:
        """Text that can stand between two markers: no control marker in it, line breaks as their own marker.

        Each marker in the text becomes a look-alike (`<usr>` → `〈usr〉`) that can join up to no marker again,
        however the pieces are nested; everything else stays as it is.
        """
        text = self.look_alike(text.strip()).replace("\n", NEWLINE)
        return self._guard_pattern.sub(lambda m: m[0] + " ", text) if self._guard_pattern else text

    def look_alike(self, text: str) -> str:
        """Text with every control marker in it replaced by its look-alike."""
        return self._control_pattern.sub(lambda m: f"{OPEN}{m[0][1:-1]}{CLOSE}", text) if "<" in text else text

    def unguard(self, line: str) -> str:
        """Take away the space that `defuse` put behind a guarded ending."""
        # a tokenizer may show further spaces around the pieces of the ending
        guarded = line.endswith(" ") and line.replace(" ", "").endswith(self.guards)
        return line[:-1] if guarded else line


def swallowing(added: Iterable[str], control: Collection[str]) -> list[str]:
    """Endings of ordinary text that an added token continues with the beginning of a control marker, longest first."""
    opening = {marker[0] for marker in control}
    found = set()
    for token in added:
        for place, character in enumerate(token):
            rest = token[place:]
            if place and character in opening and any(m.startswith(rest) or rest.startswith(m) for m in control):
                found.add(token[:place])
    return sorted(found, key=len, reverse=True)
