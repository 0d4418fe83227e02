"""A corpus from its file to the first batch, with and without the cache."""

import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import workload
from yuhee.data.datamodule import DialogueDataModule
from yuhee.data.encoding.causal_lm import CausalLMEncoder
from yuhee.data.splits import split
from yuhee.models.pretrained import load_tokenizer
from yuhee.training import TrainConfig, compose_config, parse_config


def run(spec: dict[str, Any]) -> dict[str, Any]:
    """Seconds from the file to the cache and to the first batch (imports left out), and encoding by itself."""
    config = parse_config(compose_config(workload.read(spec["work"])["overrides"]))
    encoder = encoder_of(spec["work"], config.data.max_length)
    with tempfile.TemporaryDirectory() as folder:
        cached, cold, data = _until_first_batch(config, encoder, Path(folder))
        _, warm, _ = _until_first_batch(config, encoder, Path(folder))
    dialogues = data.split.train
    start = time.perf_counter()
    for first in range(0, len(dialogues), 1000):
        encoder.encode(dialogues[first : first + 1000])
    return {
        "file_to_cache_seconds": cached,
        "first_batch_cold_seconds": cold,
        "first_batch_warm_seconds": warm,
        "examples_encoded_per_second": len(dialogues) / (time.perf_counter() - start),
    }


def encoder_of(work: str, max_length: int) -> CausalLMEncoder:
    """The shared tokenizer with the encoder that this project makes for it."""
    return CausalLMEncoder(load_tokenizer(str(Path(work) / "bundle"), "model.tokenizer"), max_length=max_length)


def _until_first_batch(
    config: TrainConfig, encoder: CausalLMEncoder, cache: Path
) -> tuple[float, float, DialogueDataModule]:
    """As `yuhee.training` does it: seconds until the cache is there, and until the first batch is."""
    start = time.perf_counter()
    corpus = config.data.read()
    data = DialogueDataModule(
        split(corpus.dialogues, **dict(config.data.split)),
        encoder,
        cache=cache,
        cache_key=corpus.hash,
        batch_size=config.data.batch_size,
        emotion_dropout=config.data.emotion_dropout,
        chain=config.data.chain,
    )
    data.setup()
    cached = time.perf_counter() - start
    next(iter(data.train_dataloader()))
    return cached, time.perf_counter() - start, data
