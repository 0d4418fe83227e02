"""Leak-free train/val/test splits that depend on what is said, never on the order of the file."""

import logging
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from yuhee.data.dialogue import Dialogue
from yuhee.data.dialogue_store import Dialogues, Indices, Selection, digest, stored
from yuhee.data.digests import Halves, contained, halves, in_hex, is_new, sorting
from yuhee.errors import UserError

log = logging.getLogger(__name__)

SPLITS = ("train", "val", "test")
MIN_GROUP_LIMIT = 20  # dialogues
GROUP_LIMIT_SHARE = 0.01  # of the corpus
BLOCK = 2**14  # groups that are Python objects at a time


@dataclass(frozen=True)
class Split:
    """Three sequences of dialogues, each in an order that depends only on their content."""

    train: Sequence[Dialogue]
    val: Sequence[Dialogue]
    test: Sequence[Dialogue]

    def overlap(self) -> dict[str, float]:
        """Share of the questions and replies of val and test that also stand in train (0 to 1).

        Questions are compared in normalised form, replies exactly.
        """
        shares = {}
        for kind, column in (("question", "questions"), ("reply", "replies")):
            seen = _said(self.train, column)
            for name in ("val", "test"):
                found = contained(_said(getattr(self, name), column), seen)
                shares[f"data/{name}_{kind}_overlap"] = int(found.sum()) / len(found) if len(found) else 0.0
        return shares


def split(
    dialogues: Iterable[Dialogue],
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
    corpus = stored(dialogues)
    if by == "row":
        log.warning(
            "data.split.by=row: 같은 질문과 답이 train과 test 양쪽에 들어갑니다. "
            "공개된 수치와 비교할 때만 쓰고, 모델을 고를 때는 data.split.by=group을 쓰세요."
        )
        roots = np.arange(len(corpus))
    else:
        roots = group(corpus)
    if (groups := np.count_nonzero(roots == np.arange(len(corpus)))) < len(SPLITS):
        raise UserError(
            f"대화 {len(corpus)}개가 서로 겹쳐 {groups}묶음뿐이라 train/val/test로 나눌 수 없습니다. "
            "서로 다른 대화가 3개 이상 든 말뭉치를 주세요."
        )
    known = corpus.columns("hash", "labels")
    hashes = halves(known["hash"])
    members, sizes = _dealing_order(roots, hashes, seed)
    part_of = np.repeat(_assign(sizes, _Labels(known["labels"], members), ratios), sizes)
    parts = (members[part_of == part] for part in range(len(SPLITS)))
    return Split(*(Selection(corpus, part[sorting(hashes[part])]) for part in parts))


def group(dialogues: Dialogues) -> Indices:
    """Join dialogues that share a key (union-find).

    Keys merge rarest first, ties by hash, and a key whose merge would make a group larger than
    max(1 % of the corpus, 20 dialogues) is passed over: 응 and ㅋㅋ must not weld a chat corpus together.

    Returns:
        (dialogues,) of each dialogue the smallest index in its group.
    """
    limit = max(int(GROUP_LIMIT_SHARE * len(dialogues)), MIN_GROUP_LIMIT)
    parent = array("i", range(len(dialogues)))
    size = array("i", [1]) * len(dialogues)

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    for members in _holders(dialogues, limit):
        roots = sorted({root(index) for index in members})
        if sum(size[r] for r in roots) > limit:
            continue
        for other in roots[1:]:
            parent[other] = roots[0]
            size[roots[0]] += size[other]
    found = np.array(parent, dtype=np.int64)
    while not np.array_equal(found, found[found]):
        found = found[found]
    return found


def _holders(dialogues: Dialogues, limit: int) -> Iterator[list[int]]:
    """The dialogues of each key that from two to `limit` of them share, rarest key first, ties by digest."""
    column = dialogues.columns("keys")["keys"]
    holders = np.repeat(np.arange(len(dialogues), dtype=np.int32), pc.list_value_length(column).to_numpy())
    keys = halves(pc.list_flatten(column))
    del column
    order = sorting(keys)
    keys, holders = keys[order], holders[order]
    starts = np.flatnonzero(is_new(keys))
    counts = np.diff(starts, append=len(keys))
    starts, counts = (values[(counts > 1) & (counts <= limit)] for values in (starts, counts))
    order = np.lexsort((keys[starts, 1], keys[starts, 0], counts))
    del keys
    for start, count in zip(starts[order].tolist(), counts[order].tolist(), strict=True):
        yield holders[start : start + count].tolist()


def _dealing_order(roots: Indices, hashes: Halves, seed: int) -> tuple[Indices, Indices]:
    """Dialogues group by group, largest group first, ties by a hash of seed and content; and the groups' sizes."""
    members = np.argsort(roots, kind="stable")
    starts = np.flatnonzero(np.diff(roots[members], prepend=-1))
    sizes = np.diff(starts, append=len(members))
    names, ties = in_hex(hashes[members]), bytearray()
    for first in range(0, len(sizes), BLOCK):
        for size in sizes[first : first + BLOCK].tolist():
            ties += digest(f"{seed}:{sorted(islice(names, size))}")
    chance = np.frombuffer(ties, ">u8").reshape(-1, 2)
    order = np.lexsort((chance[:, 1], chance[:, 0], -sizes))
    return members[_spans(starts[order], sizes[order])], sizes[order]


class _Labels:
    """Emotion labels of dialogues in a given order, as numbers that sort as the labels do, from 1 on."""

    def __init__(self, column: pa.ChunkedArray, order: Indices) -> None:
        coded = pc.list_flatten(column).combine_chunks().dictionary_encode()
        names = coded.dictionary.to_pylist()
        rank = {name: number for number, name in enumerate(sorted(names), start=1)}
        number = np.array([rank[name] for name in names], dtype=np.int32)
        lengths = pc.list_value_length(column).to_numpy()
        starts = np.cumsum(lengths) - lengths
        self.codes = number[coded.indices.to_numpy()[_spans(starts[order], lengths[order])]]
        self.ends = np.cumsum(lengths[order])
        self.totals = [len(order), *np.bincount(self.codes, minlength=len(names) + 1)[1:].tolist()]


def _assign(sizes: Indices, labels: _Labels, ratios: Sequence[float]) -> npt.NDArray[np.uint8]:
    """Deal groups in order, each to the part that lacks the largest share of what the group holds.

    Dialogues count as label 0. A part that has nothing yet lacks all of it, so three groups are enough for three
    parts.

    Returns:
        (groups,) the part of each.
    """
    wanted = [[ratio * count for count in labels.totals] for ratio in ratios]
    missing = [list(counts) for counts in wanted]
    parts = bytearray()
    for size, codes in _held(sizes, labels):
        held = {0: size}
        for code in codes:
            held[code] = held.get(code, 0) + 1
        items = sorted(held.items())
        lack = [
            sum([count * short[label] / whole[label] for label, count in items])
            for short, whole in zip(missing, wanted, strict=True)
        ]
        best = lack.index(max(lack))
        parts.append(best)
        for label, count in items:
            missing[best][label] -= count
    return np.frombuffer(parts, np.uint8)


def _held(sizes: Indices, labels: _Labels) -> Iterator[tuple[int, list[int]]]:
    """Of each group the number of dialogues and their labels."""
    dialogues = np.cumsum(sizes)
    for first in range(0, len(sizes), BLOCK):
        ends = labels.ends[dialogues[first : first + BLOCK] - 1]
        begin = int(labels.ends[dialogues[first - 1] - 1]) if first else 0
        codes = labels.codes[begin : int(ends[-1])].tolist()
        place = 0
        for size, end in zip(sizes[first : first + BLOCK].tolist(), (ends - begin).tolist(), strict=True):
            yield size, codes[place:end]
            place = end


def _said(dialogues: Sequence[Dialogue], column: str) -> Halves:
    """Digests of all questions or replies."""
    return halves(pc.list_flatten(stored(dialogues).columns(column)[column]))


def _spans(starts: Indices, lengths: Indices) -> Indices:
    """The indices of spans one after another."""
    before = np.cumsum(lengths) - lengths
    return np.repeat(starts - before, lengths) + np.arange(int(lengths.sum()))
