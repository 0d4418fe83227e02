"""Learning from a few labelled examples: all other labels of the training split are hidden, the words stay."""

import logging
from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np
import pyarrow as pa

from yuhee.data.dialogue import Dialogue
from yuhee.data.dialogue_store import Dialogues, stored
from yuhee.data.splits import Split
from yuhee.errors import UserError

log = logging.getLogger(__name__)

_TELLING = frozenset(("dialogue", "hash", "labels"))  # columns that depend on labels


def few_labels(split: Split, per_class: int, seed: int) -> Split:
    """The split with `per_class` labelled messages of each label in train, drawn by `seed`; val and test as they are.

    The other messages of train stay there without a label, as text that may be learned from all the same.

    Raises:
        UserError: a label of val or test has no example in train.
    """
    train = stored(split.train)
    messages = [(row, place) for row, labels in enumerate(_labels(train)) for place in range(len(labels))]
    names = np.array([label for labels in _labels(train) for label in labels])
    elsewhere = {label for part in (split.val, split.test) for labels in _labels(stored(part)) for label in labels}
    if missing := sorted(elsewhere - set(names.tolist())):
        raise UserError(
            f"data.few_shot={per_class}: 감정 {', '.join(missing)}의 예가 학습 부분에 하나도 없습니다. "
            "data.split.seed를 바꾸거나 그 감정의 대화를 더 모아 주세요."
        )
    random = np.random.default_rng(seed)
    kept: dict[int, set[int]] = {}
    for label in sorted(set(names.tolist())):
        rows = np.flatnonzero(names == label)
        if len(rows) < per_class:
            log.warning("data.few_shot=%d: 감정 %s의 예는 %d개뿐이라 모두 씁니다.", per_class, label, len(rows))
        for index in random.permutation(rows)[:per_class].tolist():
            row, place = messages[index]
            kept.setdefault(row, set()).add(place)
    return replace(split, train=_FewLabels(train, kept))


def _labels(dialogues: Dialogues) -> list[list[str]]:
    """Of each dialogue, the labels of its user turns that have one."""
    labels: list[list[str]] = dialogues.columns("labels")["labels"].to_pylist()
    return labels


class _FewLabels(Dialogues):
    """Dialogues that keep those labels which `kept` names: row → places among the dialogue's labelled messages."""

    def __init__(self, dialogues: Dialogues, kept: Mapping[int, Collection[int]]) -> None:
        self._dialogues = dialogues
        self._kept = kept

    def __len__(self) -> int:
        return len(self._dialogues)

    def columns(self, *names: str) -> pa.Table:
        if _TELLING.isdisjoint(names):
            return self._dialogues.columns(*names)  # without making a dialogue
        return super().columns(*names)

    def at(self, index: int) -> Dialogue:
        dialogue = self._dialogues.at(index)
        kept = self._kept.get(index, ())
        turns, place = [], 0
        for turn in dialogue.turns:
            has_label = turn.role == "user" and turn.emotion is not None
            turns.append(replace(turn, emotion=None) if has_label and place not in kept else turn)
            place += has_label
        return replace(dialogue, turns=tuple(turns))
