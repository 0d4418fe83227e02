"""How much of a reply stands in the training replies: memorisation, measured exactly."""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.int64]

BLOCK = 2**22  # characters of training text that are searched at once: about 200 MB
END = 0xD800  # stands behind every text: half a surrogate, which no text holds


def plain(text: str) -> str:
    """NFC, with one space for any run of white space and none around: what counts as the same text."""
    return " ".join(unicodedata.normalize("NFC", text).split())


class TrainingReplies:
    """The training split's replies, to be searched for what a system copied.

    Args:
        replies: raw; the same reply counts once.
    """

    def __init__(self, replies: Iterable[str] = ()) -> None:
        self._texts = dict.fromkeys(plain(reply) for reply in replies)

    def __len__(self) -> int:
        """How many different ones there are."""
        return len(self._texts)

    def __contains__(self, reply: str) -> bool:
        """Whether a training reply is the same text."""
        return plain(reply) in self._texts

    def longest_copies(self, replies: Sequence[str]) -> Codes:
        """Length in characters of the longest stretch of each reply that stands in one training reply (replies,).

        All stretches grow together, a character a round; only those live on that stand on both sides, so after the
        first few rounds almost nothing is left to look at.
        """
        text, owners = _joined([plain(reply) for reply in replies])
        longest = np.zeros(len(replies), dtype=np.int64)
        for block in self._blocks():
            for length, places in _shared(text, block):
                longest[owners[places]] = np.maximum(longest[owners[places]], length)
        return longest

    def _blocks(self) -> Iterator[Codes]:
        waiting: list[str] = []
        size = 0
        for text in self._texts:
            waiting.append(text)
            size += len(text) + 1
            if size >= BLOCK:
                yield _joined(waiting)[0]
                waiting, size = [], 0
        if waiting:
            yield _joined(waiting)[0]


def _joined(texts: Sequence[str]) -> tuple[Codes, Codes]:
    """Code points of all texts, `END` behind each, and the index of the text at each place."""
    joined = "".join(text + chr(END) for text in texts)
    codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.int64)
    return codes, np.repeat(np.arange(len(texts)), [len(text) + 1 for text in texts])


def _shared(text: Codes, training: Codes) -> Iterator[tuple[int, Codes]]:
    """For each length from 1: places of `text` at which a stretch begins that stands in `training`, too.

    A stretch is named by a number: that of the stretch one shorter, and the next character. Equal numbers are equal
    stretches, so nothing is hashed and nothing is taken for a copy by chance.
    """
    here, there = np.arange(len(text)), np.arange(len(training))
    here_name, there_name = np.zeros_like(here), np.zeros_like(there)
    length = 0
    while True:
        here, here_name = _grown(text, here, here_name, length)
        there, there_name = _grown(training, there, there_name, length)
        names = np.unique(here_name)
        if not len(names):
            return
        there_rank = np.minimum(np.searchsorted(names, there_name), len(names) - 1)
        found = names[there_rank] == there_name
        there, there_name = there[found], there_rank[found]
        here_rank = np.searchsorted(names, here_name)
        lives = np.zeros(len(names), dtype=bool)
        lives[there_name] = True
        here, here_name = here[lives[here_rank]], here_rank[lives[here_rank]]
        if not len(here):
            return
        length += 1
        yield length, here


def _grown(text: Codes, places: Codes, names: Codes, length: int) -> tuple[Codes, Codes]:
    """Stretches one character longer; those that have come to the end of their text are gone."""
    following = text[places + length]
    goes_on = following != END
    return places[goes_on], names[goes_on] * 0x110000 + following[goes_on]
