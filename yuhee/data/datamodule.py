"""DialogueDataModule: split dialogues → encode (cached) → bucket → collate."""

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, Sampler

from yuhee.data.batching import EpochBatches, SortedBatches
from yuhee.data.chains import chained
from yuhee.data.dialogue import Dialogue, windows, without_some_emotions
from yuhee.data.dialogue_store import Altered, spooled
from yuhee.data.encoding.encoder import Encoder
from yuhee.data.example_store import ExampleStore, encode_cached
from yuhee.data.mix import repeated
from yuhee.data.splits import Split
from yuhee.errors import UserError

log = logging.getLogger(__name__)

CACHE_FORMAT = "examples/2"


class DialogueDataModule(pl.LightningDataModule):
    """Batches of an encoded corpus, deterministic in the seed on any number of workers and ranks.

    Args:
        split: the dialogues.
        encoder: makes examples of them.
        cache: folder in which the encoded examples are kept, under a name made of corpus, split and encoder.
        cache_key: identifies corpus and split.
        batch_size: dialogues per rank and micro-batch.
        num_workers: loader processes.
        seed: of the order of training batches.
        emotion_dropout: share of the training turns whose emotion slot stays empty.
        chain: share of the training dialogues that follow another one in the same example.
        history: exchanges before its own that a reply looks back on, None for all of them.
        packing: several dialogues share a row in training; evaluation sorts by length and has no padding to save.
    """

    def __init__(
        self,
        split: Split,
        encoder: Encoder,
        *,
        cache: Path,
        cache_key: str,
        batch_size: int,
        num_workers: int = 0,
        seed: int = 0,
        emotion_dropout: float = 0.0,
        chain: float = 0.0,
        history: int | None = None,
        packing: bool = False,
    ) -> None:
        super().__init__()
        self.split = split
        self.encoder = encoder
        self.emotion_dropout = emotion_dropout
        self.chain = chain
        self.history = history
        self.cache = cache / _key(f"{cache_key}:{emotion_dropout}:{chain}:{history}", encoder)
        self.packing = packing
        self._collate = encoder.collate(packing=packing)  # a family that cannot says so before anything is done
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.seed = seed
        self.examples: dict[str, ExampleStore] = {}
        self.train_batches: EpochBatches | None = None
        self._resume_at = (0, 0)

    def setup(self, stage: str | None = None) -> None:
        """Encode or open the cache.

        Raises:
            UserError: no reply fits into `data.max_length`, or the cache cannot be written.
        """
        if self.examples:
            return
        train = repeated(self.split.train)
        if not train:
            raise UserError(
                "weight가 작아 학습할 대화가 하나도 남지 않았습니다. data.parts.<이름>.weight를 늘려 주세요."
            )
        if self.encoder.emotion == "label":
            train = Altered(train, partial(without_some_emotions, share=self.emotion_dropout))
        splits: dict[str, Sequence[Dialogue]] = {
            "train": chained(train, self.chain),
            "val": self.split.val,
            "test": self.split.test,
        }
        if self.history is not None:
            splits = {name: spooled(w for d in part for w in windows(d, self.history)) for name, part in splits.items()}
        self.examples = encode_cached(splits, self.encoder.encode, self.cache, self.encoder.example)
        self._warn_of_cuts()

    def total(self, column: str) -> int:
        """Sum of a numeric column of the examples over all splits."""
        return sum(store.total(column) for store in self.examples.values())

    def train_dataloader(self) -> DataLoader[Any]:
        rank, world_size = self._place()
        store = self.examples["train"]
        self.train_batches = EpochBatches(store.lengths, self.batch_size, self.seed, rank, world_size)
        self.train_batches.set_epoch(*self._resume_at)
        return self._loader(store, self.train_batches, self._collate)

    def val_dataloader(self) -> DataLoader[Any]:
        return self._evaluation_loader("val")

    def test_dataloader(self) -> DataLoader[Any]:
        return self._evaluation_loader("test")

    def state_dict(self) -> dict[str, Any]:
        """Position in the training data: epoch, and batches of it that were trained on."""
        if self.trainer is None:
            return {}
        return {
            "epoch": self.trainer.current_epoch,
            "batches": self.trainer.fit_loop.epoch_loop.batch_progress.current.completed,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._resume_at = (state_dict["epoch"], state_dict["batches"])
        if self.train_batches is not None:  # a sharded model is restored after the loaders were made
            self.train_batches.set_epoch(*self._resume_at)

    def _evaluation_loader(self, name: str) -> DataLoader[Any]:
        store = self.examples[name]
        batches = SortedBatches(store.lengths, self.batch_size, *self._place())
        return self._loader(store, batches, self.encoder.collate())

    def _loader(
        self, store: ExampleStore, batches: Sampler[list[int]], collate: Callable[[Any], Any]
    ) -> DataLoader[Any]:
        return DataLoader(
            store,
            batch_sampler=batches,
            collate_fn=collate,
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
            pin_memory=torch.cuda.is_available(),
            # its own generator: making an iterator must not move the random numbers that dropout draws from
            generator=torch.Generator().manual_seed(self.seed),
        )

    def _place(self) -> tuple[int, int]:
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)

    def _warn_of_cuts(self) -> None:
        dropped, cut, cut_replies = (self.total(column) for column in ("dropped", "cut", "cut_replies"))
        if dropped or cut:
            log.warning(
                "data.max_length=%d 토큰을 넘는 대화가 있어 오래된 주고받음 %d개를 빼고 글 %d개(그중 답 %d개)를 잘랐습니다. "
                "메모리가 되면 data.max_length를 늘려 주세요.",
                self.encoder.max_length,
                dropped,
                cut,
                cut_replies,
            )


def _key(cache_key: str, encoder: Encoder) -> str:
    parts = [CACHE_FORMAT, cache_key, json.dumps(encoder.settings, sort_keys=True), encoder.vocabulary]
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()
