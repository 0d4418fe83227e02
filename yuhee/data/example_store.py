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

from yuhee.data.batching import EncodedRow
from yuhee.data.dialogue import Dialogue
from yuhee.data.encoding.causal_lm import Example
from yuhee.errors import UserError

log = logging.getLogger(__name__)

Encode = Callable[[Sequence[Dialogue]], Sequence[Example]]

BATCH = 1000  # dialogues encoded in one call, and examples in one Arrow record batch
_SCHEMA = pa.schema(
    {
        "id": pa.string(),
        "input_ids": pa.list_(pa.int32()),
        "kinds": pa.list_(pa.uint8()),
        **dict.fromkeys(("characters", "lost", "dropped", "cut", "cut_replies"), pa.int32()),
    }
)


class _Columns:
    """What a batch for training takes of a record batch, as arrays that share its memory."""

    def __init__(self, batch: pa.RecordBatch) -> None:
        self.bounds = batch.column("input_ids").offsets.to_numpy().astype(np.int64)
        self._input_ids = batch.column("input_ids").values.to_numpy()
        self._kinds = batch.column("kinds").values.to_numpy()
        self._characters = batch.column("characters").to_numpy()
        self._lost = batch.column("lost").to_numpy()
        self._ids = batch.column("id")

    def row(self, row: int) -> EncodedRow:
        tokens = slice(self.bounds[row], self.bounds[row + 1])
        return EncodedRow(
            self._ids[row].as_py(),
            self._input_ids[tokens],
            self._kinds[tokens],
            self._characters[row],
            self._lost[row],
        )


class ExampleStore(Dataset[Example]):
    """Examples in one Arrow file (the IPC file format, whose footer betrays a truncated copy).

    Attributes:
        lengths: (examples,) tokens of each example.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        reader = pa.ipc.open_file(pa.memory_map(str(path)))
        if not reader.schema.equals(_SCHEMA):
            raise ValueError("the cache holds other columns")
        self._batches = [reader.get_batch(i) for i in range(reader.num_record_batches)]
        self._starts = np.cumsum([0, *(batch.num_rows for batch in self._batches)])
        self._columns = [_Columns(batch) for batch in self._batches]
        self.lengths: npt.NDArray[np.int64] = np.concatenate(
            [np.zeros(0, np.int64), *(np.diff(columns.bounds) for columns in self._columns)]
        )

    def __reduce__(self) -> tuple[type["ExampleStore"], tuple[Path]]:
        return ExampleStore, (self.path,)  # a spawned worker maps the file again instead of copying it

    def __len__(self) -> int:
        return int(self._starts[-1])

    def __getitem__(self, index: int) -> Example:
        if not 0 <= index < len(self):
            raise IndexError(index)
        place, row = self._place(index)
        return Example(**{name: self._batches[place].column(name)[row].as_py() for name in _SCHEMA.names})

    def __getitems__(self, indices: Sequence[int]) -> list[EncodedRow]:
        """A batch for `Collate`, straight from the file."""
        places = map(self._place, indices)
        return [self._columns[place].row(row) for place, row in places]

    def _place(self, index: int) -> tuple[int, int]:
        """Record batch and row of an example."""
        place = int(np.searchsorted(self._starts, index, side="right")) - 1
        return place, index - int(self._starts[place])

    def total(self, column: str) -> int:
        """Sum of a numeric column over all examples."""
        return sum(int(batch.column(column).to_numpy().sum()) for batch in self._batches)


def encode_cached(splits: Mapping[str, Sequence[Dialogue]], encode: Encode, folder: Path) -> dict[str, ExampleStore]:
    """Open the encoded splits in `folder`, encoding them first where they are missing or damaged.

    The folder appears whole or not at all, and only its owner may read it.

    Raises:
        UserError: the disk is full or the folder cannot be written.
    """
    try:
        return _open(splits, folder)
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
            with tqdm(total=count, desc="인코딩", unit="대화", delay=2, leave=False) as bar, _no_collection():
                for split, dialogues in splits.items():
                    _write(building / f"{split}.arrow", dialogues, encode, bar)
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
    return _open(splits, folder)


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


def _open(splits: Mapping[str, Sequence[Dialogue]], folder: Path) -> dict[str, ExampleStore]:
    stores = {split: ExampleStore(folder / f"{split}.arrow") for split in splits}
    if any(len(stores[split]) != len(dialogues) for split, dialogues in splits.items()):
        raise ValueError("the cache holds another number of examples")
    return stores


def _write(path: Path, dialogues: Sequence[Dialogue], encode: Encode, bar: "tqdm[Any]") -> None:
    private = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "wb")
    with private as file, pa.ipc.new_file(file, _SCHEMA) as writer:
        for start in range(0, len(dialogues), BATCH):
            examples = encode(dialogues[start : start + BATCH])
            columns = {name: [getattr(example, name) for example in examples] for name in _SCHEMA.names}
            writer.write_batch(pa.RecordBatch.from_pydict(columns, schema=_SCHEMA))
            bar.update(len(examples))
