"""A language model that counts letters: what bits per character cost without any network."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from yuhee.data.dialogue import Dialogue
from yuhee.evaluation.statistics import Array

ORDER = 4
MAX_CHARACTERS = 4_000_000  # that are counted, in about 10 s; of more, messages by lot, the same every time

# half surrogates, which no text of a dialogue holds
START, END = "\ud800", "\udc00"
SYMBOLS = 0x110000 - 2048 + 1  # every Unicode code point that text may hold, and the end


class CharacterNgram:
    """Interpolated character n-gram with Witten-Bell smoothing (Bell, Cleary & Witten 1990; Chen & Goodman 1998).

    P(c | h) = (count(hc) + types(h) · P(c | h without its first character)) ÷ (count(h) + types(h)), down to the
    uniform distribution over every Unicode code point and the end. So it is a proper distribution over all texts: an
    unknown character costs what is left for it plus 20.1 bits, and no further charge is due.

    Args:
        texts: to count, each with its end.
        order: characters of an n-gram, the predicted one included.
    """

    name = "character_ngram"

    def __init__(self, texts: Iterable[str], order: int = ORDER) -> None:
        self.order = order
        self.title = f"글자 {order}-gram"
        self._counts: Counter[str] = Counter()
        for text in _affordable(list(texts)):
            padded = START * (order - 1) + text + END
            for n in range(1, order + 1):
                self._counts.update(padded[i - n : i] for i in range(order, len(padded) + 1))
        self._totals: Counter[str] = Counter()
        for ngram, count in self._counts.items():
            self._totals[ngram[:-1]] += count
        self._types = Counter(ngram[:-1] for ngram in self._counts)

    @classmethod
    def fit(cls, dialogues: Iterable[Dialogue], order: int = ORDER) -> "CharacterNgram":
        """Count what both sides said in the training dialogues."""
        return cls((turn.text for dialogue in dialogues for turn in dialogue.turns if turn.role != "system"), order)

    def probability(self, character: str, before: str) -> float:
        """Of a character or `END` after a text."""
        context = (START * (self.order - 1) + before)[-(self.order - 1) :] if self.order > 1 else ""
        return self._probability(character, context)

    def bits(self, texts: Sequence[str]) -> Array:
        """Of each text and its end (texts,)."""
        return np.array([self._text_bits(text) for text in texts], dtype=float)

    def _text_bits(self, text: str) -> float:
        padded = START * (self.order - 1) + text + END
        places = range(self.order - 1, len(padded))
        return -sum(math.log2(self._probability(padded[i], padded[i - self.order + 1 : i])) for i in places)

    def _probability(self, character: str, context: str) -> float:
        probability = 1 / SYMBOLS
        for start in range(len(context), -1, -1):
            known = context[start:]
            if not (total := self._totals[known]):
                break  # a longer context that ends so was not seen either
            types = self._types[known]
            probability = (self._counts[known + character] + types * probability) / (total + types)
        return probability


def _affordable(texts: list[str]) -> list[str]:
    """All of them, or as many by lot as hold about `MAX_CHARACTERS`."""
    if (total := sum(map(len, texts))) <= MAX_CHARACTERS:
        return texts
    kept = max(1, len(texts) * MAX_CHARACTERS // total)
    return [texts[index] for index in np.random.default_rng(0).choice(len(texts), kept, replace=False)]
