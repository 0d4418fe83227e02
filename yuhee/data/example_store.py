"""Encoded examples on disk, memory-mapped: a corpus is encoded once per encoder, and costs no memory."""

import gc
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from torch.utils.data import Dataset
from tqdm import tqdm

from yuhee.data.dialogue import Dialogue
from yuhee.data.encoding.encoder import EncodedExample
from yuhee.errors import UserError

log = logging.getLogger(__name__)

Encode = Callable[[Sequence[Dialogue]], Sequence[EncodedExample]]

BATCH = 1000  # dialogues encoded in one call
_DIALOGUES = b"dialogues"  # in the file's metadata: how many the examples were made of


class _Columns:
    """What a batch for training takes of a record batch, as arrays that share its memory."""

    def __init__(self, batch: pa.RecordBatch, row: Any) -> None:
        self.lengths = np.diff(batch.column("input_ids").offsets.to_numpy().astype(np.int64))
        self._row = row
        self._readers = [_reader(batch.column(name)) for name in row._fields]

    def row(self, index: int) -> Any:
        return self._row(*[read(index) for read in self._readers])


def _reader(column: pa.Array) -> Callable[[int], Any]:
    """Index → value; a list is a slice of the array of all lists."""
    if pa.types.is_list(column.type):
        bounds, values = column.offsets.to_numpy(), column.values.to_numpy()
        return lambda index: values[bounds[index] : bounds[index + 1]]
    if pa.types.is_string(column.type):
        return lambda index: column[index].as_py()
    numbers: npt.NDArray[Any] = column.to_numpy()
    return numbers.__getitem__


class ExampleStore(Dataset[Any]):
    """Examples in one Arrow file (the IPC file format, whose footer betrays a truncated copy).

    Args:
        example: class of the examples.

    Attributes:
        lengths: (examples,) tokens of each example.
        dialogues: how many the examples were made of.
    """

    def __init__(self, path: Path, example: type[EncodedExample]) -> None:
        self.path = path
        self.example = example
        reader = pa.ipc.open_file(pa.memory_map(str(path)))
        if not reader.schema.equals(pa.schema(example.columns)):
            raise ValueError("the cache holds other columns")
        self.dialogues = int((reader.schema.metadata or {}).get(_DIALOGUES, -1))
        self._batches = [reader.get_batch(i) for i in range(reader.num_record_batches)]
        self._starts = np.cumsum([0, *(batch.num_rows for batch in self._batches)])
        self._columns = [_Columns(batch, example.row) for batch in self._batches]
        self.lengths: npt.NDArray[np.int64] = np.concatenate(
            [np.zeros(0, np.int64), *(columns.lengths for columns in self._columns)]
        )

    def __reduce__(self) -> tuple[type["ExampleStore"], tuple[Path, type[EncodedExample]]]:
        return ExampleStore, (self.path, self.example)  # a spawned worker maps the file again instead of copying it

    def __len__(self) -> int:
        return int(self._starts[-1])

    def __getitem__(self, index: int) -> Any:
        if not 0 <= index < len(self):
            raise IndexError(index)
        place, row = self._place(index)
        return self.example(**{name: self._batches[place].column(name)[row].as_py() for name in self.example.columns})

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        """Rows for a batch, straight from the file."""
        places = map(self._place, indices)
        return [self._columns[place].row(row) for place, row in places]

    def _place(self, index: int) -> tuple[int, int]:
        """Record batch and row of an example."""
        place = int(np.searchsorted(self._starts, index, side="right")) - 1
        return place, index - int(self._starts[place])

    def column(self, name: str) -> npt.NDArray[Any]:
        """(examples,) a numeric column."""
        return np.concatenate([np.zeros(0, np.int64), *(batch.column(name).to_numpy() for batch in self._batches)])

    def total(self, column: str) -> int:
        """Sum of a numeric column over all examples; 0 where they have no such column."""
        if column not in self.example.columns:
            return 0
        return sum(int(batch.column(column).to_numpy().sum()) for batch in self._batches)


def encode_cached(
    splits: Mapping[str, Sequence[Dialogue]], encode: Encode, folder: Path, example: type[EncodedExample]
) -> dict[str, ExampleStore]:
    """Open the encoded splits in `folder`, encoding them first where they are missing or damaged.

    Args:
        encode: makes the examples of some dialogues.
        example: their class.

    The folder appears whole or not at all, and only its owner may read it.

    Raises:
        UserError: the disk is full or the folder cannot be written.
    """
    try:
        return _open(splits, folder, example)
    except (pa.ArrowInvalid, OSError, ValueError):
        if folder.exists():
            log.warning("인코딩 캐시가 손상되어 다시 만듭니다: %s", folder.name)
            shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".encoding-") as name:
            building = Path(name) / "examples"  # mkdtemp made the parent readable by its owner alone
            building.mkdir(mode=0o700)
            count = sum(map(len, splits.values()))
            with (
                tqdm(total=count, desc="인코딩", unit="대화", delay=2, leave=False, disable=None) as bar,
                _no_collection(),
            ):
                for split, dialogues in splits.items():
                    _write(building / f"{split}.arrow", dialogues, encode, example, bar)
            try:
                building.rename(folder)
            except OSError:
                if not folder.is_dir():  # else another process was faster, with the same content
                    raise
    except OSError as error:
        raise UserError(
            f"{folder.parent}: 인코딩 캐시를 쓸 수 없습니다 ({error.strerror}). "
            "공간을 비우거나 YUHEE_CACHE_DIR를 바꿔 주세요."
        ) from None
    return _open(splits, folder, example)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Encoding makes no cycles; the search for them would go through all that was imported every few thousand examples."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


def _open(
    splits: Mapping[str, Sequence[Dialogue]], folder: Path, example: type[EncodedExample]
) -> dict[str, ExampleStore]:
    stores = {split: ExampleStore(folder / f"{split}.arrow", example) for split in splits}
    if any(stores[split].dialogues != len(dialogues) for split, dialogues in splits.items()):
        raise ValueError("the cache was made of another number of dialogues")
    return stores


def _write(
    path: Path, dialogues: Sequence[Dialogue], encode: Encode, example: type[EncodedExample], bar: "tqdm[Any]"
) -> None:
    schema = pa.schema(example.columns, metadata={_DIALOGUES: str(len(dialogues))})
    private = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "wb")
    with private as file, pa.ipc.new_file(file, schema) as writer:
        for start in range(0, len(dialogues), BATCH):
            some = dialogues[start : start + BATCH]
            examples = encode(some)
            columns = {name: [getattr(each, name) for each in examples] for name in schema.names}
            writer.write_batch(pa.RecordBatch.from_pydict(columns, schema=schema))
            bar.update(len(some))
