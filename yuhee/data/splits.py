"""Leak-free train/val/test splits that depend on what is said, never on the order of the file."""

import hashlib
import logging
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from yuhee.data.dialogue import Dialogue, normalize_question
from yuhee.errors import UserError

log = logging.getLogger(__name__)

SPLITS = ("train", "val", "test")
MIN_GROUP_LIMIT = 20  # dialogues
GROUP_LIMIT_SHARE = 0.01  # of the corpus


@dataclass(frozen=True)
class Split:
    """Three lists of dialogues, each in an order that depends only on their content."""

    train: list[Dialogue]
    val: list[Dialogue]
    test: list[Dialogue]

    def overlap(self) -> dict[str, float]:
        """Share of the questions and replies of val and test that also stand in train (0 to 1).

        Questions are compared in normalised form, replies exactly.
        """
        questions = {normalize_question(q) for d in self.train for q in d.questions}
        replies = {r for d in self.train for r in d.replies}
        shares = {}
        for name in ("val", "test"):
            dialogues = getattr(self, name)
            shares[f"data/{name}_question_overlap"] = _share(
                [normalize_question(q) in questions for d in dialogues for q in d.questions]
            )
            shares[f"data/{name}_reply_overlap"] = _share([r in replies for d in dialogues for r in d.replies])
        return shares


def split(
    dialogues: Sequence[Dialogue],
    *,
    by: Literal["group", "row"] = "group",
    seed: int = 0,
    ratios: Sequence[float] = (0.8, 0.1, 0.1),
) -> Split:
    """Split by groups of dialogues that share a key, stratified by emotion label as far as groups allow.

    Args:
        dialogues: the corpus; its order does not matter.
        by: `group` keeps groups whole; `row` splits single dialogues, which leaks, and warns.
        seed: of the split alone, so that every training seed has the same test set.
        ratios: shares of train, val and test, summing to 1.

    Raises:
        UserError: fewer than three groups.
    """
    hashes = [dialogue.content_hash() for dialogue in dialogues]
    if by == "row":
        log.warning(
            "data.split.by=row: 같은 질문과 답이 train과 test 양쪽에 들어갑니다. "
            "공개된 수치와 비교할 때만 쓰고, 모델을 고를 때는 data.split.by=group을 쓰세요."
        )
        groups = [[index] for index in range(len(dialogues))]
    else:
        groups = group(dialogues, hashes)
    if len(groups) < len(SPLITS):
        raise UserError(
            f"대화 {len(dialogues)}개가 서로 겹쳐 {len(groups)}묶음뿐이라 train/val/test로 나눌 수 없습니다. "
            "서로 다른 대화가 3개 이상 든 말뭉치를 주세요."
        )
    labels = [_labels(dialogue) for dialogue in dialogues]
    parts = _assign(groups, hashes, labels, seed, ratios)
    return Split(*([dialogues[index] for index in sorted(part, key=hashes.__getitem__)] for part in parts))


def group(dialogues: Sequence[Dialogue], hashes: Sequence[str]) -> list[list[int]]:
    """Join dialogues that share a key (union-find).

    Keys merge rarest first, ties by hash, and a key whose merge would make a group larger than
    max(1 % of the corpus, 20 dialogues) is passed over: 응 and ㅋㅋ must not weld a chat corpus together.

    Returns:
        Lists of indices into `dialogues`.
    """
    limit = max(int(GROUP_LIMIT_SHARE * len(dialogues)), MIN_GROUP_LIMIT)
    parent = list(range(len(dialogues)))
    size = [1] * len(dialogues)

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    holders: dict[str, list[int]] = defaultdict(list)
    for index, dialogue in enumerate(dialogues):
        for key in dict.fromkeys(dialogue.group_keys):
            holders[key].append(index)
    shared = [(len(members), _digest(key), members) for key, members in holders.items() if len(members) > 1]
    for _, _, members in sorted(shared):
        roots = sorted({root(index) for index in members})
        if sum(size[r] for r in roots) > limit:
            continue
        for other in roots[1:]:
            parent[other] = roots[0]
            size[roots[0]] += size[other]
    groups: dict[int, list[int]] = defaultdict(list)
    for index in range(len(dialogues)):
        groups[root(index)].append(index)
    return list(groups.values())


def _assign(
    groups: list[list[int]],
    hashes: Sequence[str],
    labels: Sequence[Counter[str]],
    seed: int,
    ratios: Sequence[float],
) -> list[list[int]]:
    """Deal groups, largest first, each to the part that lacks the largest share of what the group holds.

    A part that has nothing yet lacks all of it, so three groups are enough for three parts.
    """
    totals = sum(labels, Counter[str]())
    missing = [{label: ratio * count for label, count in totals.items()} for ratio in ratios]
    parts: list[list[int]] = [[] for _ in ratios]
    for members in sorted(groups, key=lambda g: (-len(g), _digest(f"{seed}:{sorted(hashes[i] for i in g)}"))):
        held = sum((labels[index] for index in members), Counter[str]())
        lack = [
            sum(count * missing[part][label] / (ratio * totals[label]) for label, count in sorted(held.items()))
            for part, ratio in enumerate(ratios)
        ]
        best = lack.index(max(lack))
        parts[best].extend(members)
        for label, count in held.items():
            missing[best][label] -= count
    return parts


def _labels(dialogue: Dialogue) -> Counter[str]:
    """Emotion labels of the user's turns, and one for the dialogue itself."""
    return Counter(["", *(t.emotion for t in dialogue.turns if t.role == "user" and t.emotion is not None)])


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _share(flags: Sequence[bool]) -> float:
    return sum(flags) / len(flags) if flags else 0.0
