"""Dialogues on disk, memory-mapped: a corpus of any size takes the memory of what is being looked at.

One Arrow file (IPC file format), a row per dialogue: the dialogue itself as JSON, and beside it, as columns, what
splitting and ordering a corpus need to know of it, so that neither reads a text.
"""

import hashlib
import json
import mmap
import operator
import tempfile
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import fields
from itertools import islice
from typing import IO, Any, TypeVar, overload

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from yuhee.data.dialogue import Dialogue, Turn, normalize_question
from yuhee.errors import UserError
from yuhee.paths import cache_dir

ROWS = 2048  # dialogues in one Arrow record batch
READS = 256  # dialogues taken from the file before its pages are given back
_DIGEST = pa.binary(16)
_SCHEMA = pa.schema(
    {
        "dialogue": pa.binary(),
        "hash": _DIGEST,  # of the content
        "keys": pa.list_(_DIGEST),  # by which dialogues are grouped
        "questions": pa.list_(_DIGEST),  # normalised, one per user turn
        "replies": pa.list_(_DIGEST),  # one per assistant turn
        "labels": pa.list_(pa.string()),  # emotions of user turns
        "turns": pa.int32(),
        "system": pa.bool_(),  # whether it begins with a system turn
        "repeat": pa.float64(),
    }
)
_TURN = [field.name for field in fields(Turn)]
_DIALOGUE = [field.name for field in fields(Dialogue)]
_turn_values = operator.attrgetter(*_TURN)
_to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str).encode
_from_json = json.JSONDecoder().decode
_ODD = "surrogatepass"  # ids and the like may hold half a character

T = TypeVar("T")
Indices = npt.NDArray[np.int64]


def digest(text: str) -> bytes:
    """16 bytes that stand for a text."""
    return hashlib.blake2b(text.encode(errors=_ODD), digest_size=16).digest()


def _packed(dialogue: Dialogue) -> bytes:
    values = {name: getattr(dialogue, name) for name in _DIALOGUE}
    values |= {"turns": list(map(_turn_values, dialogue.turns)), "meta": dict(dialogue.meta)}
    return _to_json(list(values.values())).encode(errors=_ODD)


def _unpacked(row: bytes) -> Dialogue:
    values = dict(zip(_DIALOGUE, _from_json(row.decode(errors=_ODD)), strict=True))
    turns = tuple([_made(Turn, zip(_TURN, turn, strict=True)) for turn in values["turns"]])
    values |= {"turns": turns, "group_keys": tuple(values["group_keys"])}
    return _made(Dialogue, values.items())


def _made(kind: type[T], values: Iterable[tuple[str, Any]]) -> T:
    """An object of values that were checked when they were written."""
    made = object.__new__(kind)
    for name, value in values:
        object.__setattr__(made, name, value)
    return made


_COLUMNS: dict[str, Callable[[Dialogue], Any]] = {
    "dialogue": _packed,
    "hash": lambda d: bytes.fromhex(d.content_hash()),
    "keys": lambda d: [digest(key) for key in dict.fromkeys(d.group_keys)],
    "questions": lambda d: [digest(normalize_question(question)) for question in d.questions],
    "replies": lambda d: [digest(reply) for reply in d.replies],
    "labels": lambda d: [t.emotion for t in d.turns if t.role == "user" and t.emotion],
    "turns": lambda d: len(d.turns),
    "system": lambda d: d.turns[0].role == "system",
    "repeat": lambda d: d.repeat,
}


class Dialogues(Sequence[Dialogue]):
    """A sequence whose dialogues are made when they are looked at; equal to any sequence of equal dialogues."""

    @abstractmethod
    def at(self, index: int) -> Dialogue:
        """The dialogue at an index from 0 up to the length."""

    def columns(self, *names: str) -> pa.Table:
        """What is known of each dialogue (see the schema), in memory."""
        wanted = pa.schema([_SCHEMA.field(name) for name in names])
        return pa.Table.from_batches([_record(block, wanted) for block in _blocks(self)], wanted)

    @overload
    def __getitem__(self, index: int) -> Dialogue: ...
    @overload
    def __getitem__(self, index: slice) -> "Selection": ...
    def __getitem__(self, index: int | slice) -> "Dialogue | Selection":
        if isinstance(index, slice):
            return Selection(self, np.arange(*index.indices(len(self))))
        place = operator.index(index)
        if not -len(self) <= place < len(self):
            raise IndexError(index)
        return self.at(place % len(self))

    def __iter__(self) -> Iterator[Dialogue]:
        return map(self.at, range(len(self)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and all(map(operator.eq, self, other))

    __hash__ = None  # type: ignore[assignment]  # as of a list


class DialogueStore(Dialogues):
    """All dialogues of one mapped file.

    Raises:
        pyarrow.ArrowInvalid, ValueError: the file is cut off, or holds something else.
    """

    def __init__(self, mapping: mmap.mmap) -> None:
        self._mapping = mapping
        reader = pa.ipc.open_file(pa.py_buffer(mapping))
        if not reader.schema.equals(_SCHEMA):
            raise ValueError("the file holds other columns")
        self.metadata: dict[bytes, bytes] = dict(reader.schema.metadata or {})
        self._batches = [reader.get_batch(number) for number in range(reader.num_record_batches)]
        self._rows = [batch.column("dialogue") for batch in self._batches]
        self._length = sum(map(len, self._rows))
        self._reads = 0

    def __reduce__(self) -> tuple[Callable[[bytes], "DialogueStore"], tuple[bytes]]:
        return _of_bytes, (bytes(self._mapping),)

    def __len__(self) -> int:
        return self._length

    def at(self, index: int) -> Dialogue:
        self._reads += 1
        if self._reads % READS == 0:
            self._give_back()
        place, row = divmod(index, ROWS)
        return _unpacked(self._rows[place][row].as_py())

    def columns(self, *names: str) -> pa.Table:
        pa.default_memory_pool().release_unused()
        wanted = pa.schema([_SCHEMA.field(name) for name in names])
        copies = []
        for batch in self._batches:
            every = np.arange(batch.num_rows)
            copies.append(pa.record_batch([batch.column(name).take(every) for name in names], schema=wanted))
            self._give_back()
        return pa.Table.from_batches(copies, wanted)

    def write(self, file: IO[bytes], metadata: dict[str, str]) -> None:
        """Copy the file, with metadata of its own."""
        with pa.ipc.new_file(file, _SCHEMA.with_metadata(metadata)) as writer:
            for batch in self._batches:
                writer.write_batch(batch)
                self._give_back()

    def _give_back(self) -> None:
        """Let go of the pages that were read: the system still has them, but they no longer count as this process's."""
        if hasattr(mmap, "MADV_DONTNEED"):
            self._mapping.madvise(mmap.MADV_DONTNEED)


class Selection(Dialogues):
    """Some dialogues of others, by their indices, in any order and as often as wanted."""

    def __init__(self, dialogues: Dialogues, indices: Indices) -> None:
        self._dialogues = dialogues
        self._indices = indices

    def __len__(self) -> int:
        return len(self._indices)

    def at(self, index: int) -> Dialogue:
        return self._dialogues.at(int(self._indices[index]))

    def columns(self, *names: str) -> pa.Table:
        return self._dialogues.columns(*names).take(pa.array(self._indices))


class Altered(Dialogues):
    """Dialogues each of which a function makes into another."""

    def __init__(self, dialogues: Dialogues, change: Callable[[Dialogue], Dialogue]) -> None:
        self._dialogues = dialogues
        self._change = change

    def __len__(self) -> int:
        return len(self._dialogues)

    def at(self, index: int) -> Dialogue:
        return self._change(self._dialogues.at(index))


def stored(dialogues: Iterable[Dialogue]) -> Dialogues:
    """Dialogues as a sequence that knows its columns: as they are if they are one, else written to disk."""
    return dialogues if isinstance(dialogues, Dialogues) else spooled(dialogues)


def spooled(dialogues: Iterable[Dialogue]) -> DialogueStore:
    """Write dialogues to a file that has no name, is its owner's alone, and goes away with the process, however it ends.

    Raises:
        UserError: there is no room for it.
    """
    with _scratch() as file:
        writer = pa.ipc.new_file(file, _SCHEMA)
        for block in _blocks(dialogues):
            _write(writer.write_batch, _record(block, _SCHEMA))
        _write(writer.close)
        _write(file.flush)
        return DialogueStore(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def _blocks(dialogues: Iterable[Dialogue]) -> Iterator[list[Dialogue]]:
    stream = iter(dialogues)
    while block := list(islice(stream, ROWS)):
        yield block


def _record(block: Sequence[Dialogue], schema: pa.Schema) -> pa.RecordBatch:
    columns = [pa.array(list(map(_COLUMNS[field.name], block)), field.type) for field in schema]
    return pa.record_batch(columns, schema=schema)


def _write(call: Callable[..., object], *values: object) -> None:
    try:
        call(*values)
    except OSError as error:
        raise UserError(
            f"말뭉치를 임시로 둘 자리가 없습니다 ({error.strerror}). 공간을 비우거나 YUHEE_CACHE_DIR를 바꿔 주세요."
        ) from None


def _scratch() -> IO[bytes]:
    """A file without a name, on the disk where the cache is or would be; else where the system keeps such."""
    cache = cache_dir().absolute()
    try:
        return tempfile.TemporaryFile(dir=next(place for place in (cache, *cache.parents) if place.is_dir()))
    except OSError:
        return tempfile.TemporaryFile()


def _of_bytes(content: bytes) -> DialogueStore:
    with _scratch() as file:
        _write(file.write, content)
        _write(file.flush)
        return DialogueStore(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
