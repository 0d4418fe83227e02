"""Special tokens of BERT, RoBERTa and ELECTRA tokenizers: which they are, and how text is kept from forging them.

A special token is an added token of the form `[…]` or `<…>` in the tokenizer's own file; other added tokens are
ordinary text.
"""

import json
import re
from dataclasses import dataclass
from functools import cached_property

from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing

from yuhee.errors import UserError

ROLES = {  # as `transformers` calls them → what they are called in tokenizer files
    "pad_token": ("[PAD]", "<pad>"),
    "cls_token": ("[CLS]", "<s>"),
    "sep_token": ("[SEP]", "</s>"),
    "unk_token": ("[UNK]", "<unk>"),
    "mask_token": ("[MASK]", "<mask>"),
}
REQUIRED = ("pad_token", "cls_token", "sep_token")
_FORM = re.compile(r"<[^<>\s]+>|\[[^\[\]\s]+\]")
# Brackets that stay themselves under NFKC; full-width ones would turn into special tokens again.
_LOOK_ALIKE = str.maketrans("<>[]", "〈〉〔〕")


@dataclass(frozen=True)
class SpecialTokens:
    """The special tokens of one tokenizer.

    Attributes:
        ids: token → id, in the file's order.
        roles: name of the role → token, for those roles that the tokenizer has.
    """

    ids: dict[str, int]
    roles: dict[str, str]

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> "SpecialTokens":
        """Read the special tokens from a tokenizer.

        Raises:
            UserError: one that every text needs is missing.
        """
        added = {token["content"]: token["id"] for token in json.loads(tokenizer.to_str())["added_tokens"]}
        ids = {content: index for content, index in added.items() if _FORM.fullmatch(content)}
        roles = {role: name for role, names in ROLES.items() for name in names if name in ids}
        if missing := [role for role in REQUIRED if role not in roles]:
            names = ", ".join("·".join(ROLES[role]) for role in missing)
            raise UserError(
                f"토크나이저에 {names} 토큰이 없어 글을 읽는 모델에 쓸 수 없습니다. "
                "model.tokenizer에 BERT, RoBERTa, ELECTRA 계열 토크나이저를 주세요."
            )
        return cls(ids, roles)

    def __getitem__(self, role: str) -> int:
        return self.ids[self.roles[role]]

    def network_ids(self, tokenizer: Tokenizer) -> dict[str, int]:
        """Values of a network's config that follow from the vocabulary."""
        return {
            "bos_token_id": self["cls_token"],
            "eos_token_id": self["sep_token"],
            "pad_token_id": self["pad_token"],
            "vocab_size": max(tokenizer.get_vocab().values()) + 1,
        }

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile("|".join(re.escape(token) for token in sorted(self.ids, key=len, reverse=True)))

    def defuse(self, text: str) -> str:
        """Text with every special token in it replaced by its look-alike (`[MASK]` → `〔MASK〕`)."""
        return self._pattern.sub(lambda found: found[0].translate(_LOOK_ALIKE), text)


def framing(tokenizer: Tokenizer) -> Tokenizer:
    """The tokenizer with special tokens matched as they stand, and around each text what its network expects there.

    That is the file's own post-processor; a tokenizer that has none (one trained here) gets `<s> … </s>`.

    Raises:
        UserError: a special token is missing.
    """
    special = SpecialTokens.of(tokenizer)
    data = json.loads(tokenizer.to_str())
    for token in data["added_tokens"]:
        if token["content"] in special.ids:  # full-width ［ＭＡＳＫ］ is text
            token.update(special=True, normalized=False, single_word=False, lstrip=False, rstrip=False)
    framed = Tokenizer.from_str(json.dumps(data, ensure_ascii=False))
    if data["post_processor"] is None:
        first, last = special.roles["cls_token"], special.roles["sep_token"]
        framed.post_processor = TemplateProcessing(
            single=f"{first} $A {last}",
            pair=f"{first} $A {last} $B {last}",
            special_tokens=[(first, special.ids[first]), (last, special.ids[last])],
        )
    return framed
