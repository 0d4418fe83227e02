"""Labels as words that fit a gap: patterns and verbalizers (Schick & Schütze 2021, "Exploiting Cloze Questions").

    "{text} 기분이 {mask}"  +  "시험을 망쳤어"  →  [CLS] 시험을 망쳤어 기분이 [MASK] [MASK] [SEP]

A word of k tokens is asked for with k masks, which are filled at once: its score is the mean log-probability of its
tokens, each at its own mask. Labels whose words have one token each are so scored as in the paper.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from tokenizers import Encoding, Tokenizer

from yuhee.data.encoding.special_tokens import SpecialTokens
from yuhee.errors import UserError

TEXT, MASK = "{text}", "{mask}"


@dataclass(frozen=True, slots=True)
class Gap:
    """A text in a pattern.

    Attributes:
        input_ids: (length,) token ids.
        start: place of the first mask.
    """

    input_ids: list[int]
    start: int


def check_pattern(pattern: str) -> str:
    """The pattern, if it holds one text and one gap.

    Raises:
        ValueError: with what is wrong.
    """
    for part in (TEXT, MASK):
        if (count := pattern.count(part)) != 1:
            raise ValueError(f"틀 '{pattern}'에는 {part}가 꼭 한 번 있어야 합니다(지금 {count}번)")
    return pattern


class Cloze:
    """One pattern, with the words that stand for the labels in it.

    Args:
        tokenizer: without truncation and with a mask token.
        pattern: with `{text}` and `{mask}`.
        words: label → the word that stands for it.
        labels: of the corpus, in the order of the scores.
        max_length: of a text in its pattern, in tokens. A longer text loses its beginning.

    Attributes:
        answers: (labels,) token ids of each label's word where the gap is.

    Raises:
        UserError: a label without a word, two with the same one, or one that the tokenizer cannot write.
    """

    def __init__(
        self, tokenizer: Tokenizer, pattern: str, words: Mapping[str, str], labels: Sequence[str], max_length: int
    ) -> None:
        self.tokenizer = tokenizer
        self.special = SpecialTokens.of(tokenizer)
        self.pattern = pattern
        self.max_length = max_length
        if missing := [label for label in labels if label not in words]:
            raise UserError(
                f"model.verbalizers: 감정 {', '.join(missing)}을(를) 나타낼 낱말이 없습니다. "
                f"model.verbalizers='{{{': …, '.join(labels)}: …}}' 처럼 모든 감정에 하나씩 정해 주세요."
            )
        left, right = (self.special.defuse(part) for part in pattern.split(MASK))
        self._anchor = words[labels[0]]
        before = left.replace(TEXT, "")
        bare = before.rstrip()
        self.answers = [self._continuation(bare, before[len(bare) :] + words[label]) for label in labels]
        self._left, self._right = left, right
        self._check(words, labels)
        self._gap("", max(self.gaps))

    @cached_property
    def gaps(self) -> list[int]:
        """Numbers of masks that are asked for, ascending."""
        return sorted({len(answer) for answer in self.answers})

    def fill(self, texts: Sequence[str], masks: int) -> list[Gap]:
        """The texts in the pattern, with a gap of so many masks."""
        return [self._gap(text, masks) for text in map(self.special.defuse, texts)]

    def _gap(self, text: str, masks: int) -> Gap:
        room = self.max_length - masks - 2
        left, right = self._sides(text)
        while len(left) + len(right) > room and text:
            text = text[self._start_without(text, len(left) + len(right) - room) :]
            left, right = self._sides(text)
        if len(left) + len(right) > room:
            raise UserError(
                f"data.max_length={self.max_length}: 틀 '{self.pattern}'조차 들어가지 않습니다. 더 크게 잡아 주세요."
            )
        ids = [self.special["cls_token"], *left, *[self.special["mask_token"]] * masks, *right]
        return Gap([*ids, self.special["sep_token"]], len(left) + 1)

    def _sides(self, text: str) -> tuple[list[int], list[int]]:
        """Ids left and right of the gap."""
        left, right = (side.replace(TEXT, text) for side in (self._left, self._right))
        return self._encoding(left.rstrip()).ids, self._continuation(self._anchor, right.rstrip())

    def _start_without(self, text: str, tokens: int) -> int:
        """Where a text begins whose first tokens are left out; at least one character further on."""
        offsets = self._encoding(text).offsets
        return max(1, offsets[tokens][0]) if tokens < len(offsets) else len(text)

    def _continuation(self, before: str, after: str) -> list[int]:
        """Ids of `after` behind `before`, which may end in the middle of a word."""
        start, whole = self._encoding(before).ids, self._encoding(before + after).ids
        aligned: bool = whole[: len(start)] == start
        return list(whole[len(start) :] if aligned else self._encoding(after).ids)

    def _encoding(self, text: str) -> Encoding:
        return self.tokenizer.encode(text, add_special_tokens=False)

    def _check(self, words: Mapping[str, str], labels: Sequence[str]) -> None:
        unknown = self.special.ids.get(self.special.roles.get("unk_token", ""))
        special = set(self.special.ids.values())
        known: dict[tuple[int, ...], str] = {}
        for label, answer in zip(labels, self.answers, strict=True):
            key = f"model.verbalizers.{label}={words[label]}"
            if not words[label].strip():
                raise UserError(f"{key}: 빈 낱말입니다. 이 감정을 나타낼 낱말을 하나 적어 주세요.")
            if not answer or unknown in answer or special & set(answer):
                raise UserError(f"{key}: 이 토크나이저가 모르는 낱말입니다. 다른 낱말로 바꿔 주세요.")
            if other := known.get(tuple(answer)):
                raise UserError(
                    f"{key}: 감정 {other}의 낱말과 토큰이 같아 가려낼 수 없습니다. 둘 가운데 하나를 바꿔 주세요."
                )
            known[tuple(answer)] = label
