"""Dialogues one behind another in the same example, as talk goes on to something else."""

from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property

import numpy as np

from yuhee.data.dialogue import Dialogue, draw
from yuhee.data.dialogue_store import Dialogues, Indices, stored
from yuhee.data.digests import halves, in_hex, sorting


def chained(dialogues: Iterable[Dialogue], share: float) -> Dialogues:
    """Up to `share` of the dialogues each behind another one; in an order and in chains that their content decides.

    Who talks for an evening changes the subject, while a corpus of short dialogues never does: a model that has seen
    none of it answers the old subject. No chain grows longer than the longest dialogue.
    """
    return _Chains(stored(dialogues), share)


class _Chains(Dialogues):
    """Looks at the dialogues only when it has to: not to tell the number of chains where no dialogue follows another."""

    def __init__(self, dialogues: Dialogues, share: float) -> None:
        self._dialogues = dialogues
        self._share = share

    def __len__(self) -> int:
        return len(self._bounds) - 1 if self._share else len(self._dialogues)

    def at(self, index: int) -> Dialogue:
        first, last = self._bounds[index : index + 2].tolist()
        members = [self._dialogues.at(place) for place in self._order[first:last].tolist()]
        if len(members) == 1:
            return members[0]
        name = "+".join(dialogue.id for dialogue in members)
        return replace(members[0], id=name, turns=tuple(turn for dialogue in members for turn in dialogue.turns))

    @cached_property
    def _order(self) -> Indices:
        return sorting(halves(self._dialogues.columns("hash")["hash"]))

    @cached_property
    def _bounds(self) -> Indices:
        """(chains + 1,) where each chain begins in the order."""
        if not self._share:
            return np.arange(len(self._dialogues) + 1)
        known = self._dialogues.columns("hash", "turns", "system")
        turns, system = (known[name].to_numpy()[self._order] for name in ("turns", "system"))
        longest = max(turns, default=0)
        bounds, length = [], longest
        for place, key in enumerate(in_hex(halves(known["hash"])[self._order])):
            if length + turns[place] > longest or system[place] or draw(key) >= self._share:
                bounds.append(place)
                length = 0
            length += turns[place]
        return np.array([*bounds, len(turns)])
