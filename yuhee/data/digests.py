"""Digests as numbers, so that a million of them are sorted and compared without a Python object each."""

import hashlib
from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from yuhee.data.dialogue import Dialogue
from yuhee.data.dialogue_store import Indices, stored

Halves = npt.NDArray[np.uint64]
"""(digests, 2): the upper and the lower eight bytes, which sort as the digest's hex digits do."""


def halves(column: pa.ChunkedArray) -> Halves:
    """A column of 16-byte digests."""
    digests = np.empty((len(column), 2), np.uint64)
    place = 0
    for chunk in column.chunks:
        raw = np.frombuffer(chunk.buffers()[1] or b"", ">u8").reshape(-1, 2)
        digests[place : place + len(chunk)] = raw[chunk.offset : chunk.offset + len(chunk)]
        place += len(chunk)
    return digests


def sorting(digests: Halves) -> Indices:
    """(digests,) indices that sort them; equal ones keep their order."""
    return np.lexsort((digests[:, 1], digests[:, 0]))


def is_new(digests: Halves) -> npt.NDArray[np.bool_]:
    """(digests,) of sorted digests, whether the one before is another."""
    return np.concatenate([[True], (digests[1:] != digests[:-1]).any(axis=1)])[: len(digests)]


def contained(some: Halves, among: Halves) -> npt.NDArray[np.bool_]:
    """(some,) whether each is among the others."""
    both = np.concatenate([among, some])
    order = sorting(both)  # of equal ones, those among the others come first
    run = np.cumsum(is_new(both[order])) - 1
    found = np.empty(len(both), bool)
    found[order] = (order[np.flatnonzero(np.diff(run, prepend=-1))] < len(among))[run]
    return found[len(among) :]


def in_hex(digests: Halves) -> Iterator[str]:
    """Each digest as 32 hex digits."""
    raw = memoryview(digests.astype(">u8").tobytes())
    return (raw[place : place + 16].hex() for place in range(0, len(raw), 16))


def corpus_hash(dialogues: Iterable[Dialogue]) -> str:
    """Hash of a corpus as a set of dialogues: the same for every order of the file (32 hex digits)."""
    known = stored(dialogues).columns("hash", "repeat")
    repeats, which = np.unique(known["repeat"].to_numpy(), return_inverse=True)
    marks = np.array([f"×{repeat:g}" if repeat != 1 else "" for repeat in repeats], dtype=np.str_)
    hashes = halves(known["hash"])
    order = np.lexsort((np.unique(marks, return_inverse=True)[1][which], hashes[:, 1], hashes[:, 0]))
    result = hashlib.blake2b(digest_size=16)
    for key, mark in zip(in_hex(hashes[order]), marks[which[order]], strict=True):
        result.update((key + mark).encode())
    return result.hexdigest()


def most_replies(dialogues: Iterable[Dialogue]) -> int:
    """The largest number of replies in a dialogue."""
    return int(pc.max(pc.list_value_length(stored(dialogues).columns("replies")["replies"])).as_py())
