"""What is told of a run beside its figures: to whoever opens its model, and to trackers."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from yuhee import bundle
from yuhee.data.canaries import Canary
from yuhee.data.corpus import Corpus
from yuhee.data.datamodule import DialogueDataModule
from yuhee.data.digests import most_replies
from yuhee.data.report import PRIVACY
from yuhee.training.config import TrainConfig


def model_facts(
    config: TrainConfig, corpus: Corpus, data: DialogueDataModule, canaries: Sequence[Canary]
) -> dict[str, Any]:
    """Plain values that travel with every checkpoint and bundle."""
    model = config.model
    pretrained = None if getattr(model, "from_scratch", False) else getattr(model, "pretrained", None)
    parents = [Path(path).expanduser() for path in (pretrained, config.ckpt_path) if path]
    longest = most_replies(data.split.train)
    privacy = max([corpus.report.privacy, *map(bundle.privacy_of, parents)], key=PRIVACY.index)
    return {
        "model": getattr(model, "name", config.family.family),
        "pretrained": Path(pretrained).name if pretrained and Path(pretrained).exists() else pretrained,
        "corpus": corpus.report.source,
        "corpus_hash": corpus.hash,
        "split": config.data.split.model_dump(mode="json"),
        "emotion_labels": corpus.emotion_labels,
        "private": privacy == "unmasked",
        "privacy": privacy,
        "canaries": [asdict(canary) for canary in canaries],
        "canary_repeats": config.data.canary_repeats,
        "history": data.history,
        "longest": {
            "tokens": int(data.examples["train"].lengths.max()),
            "exchanges": longest if data.history is None else min(longest, data.history + 1),
        },
    }


def tracked_settings(config: TrainConfig) -> dict[str, Any]:
    """The configuration for trackers; where files lie on this machine stays here."""
    settings = config.model_dump(mode="json", by_alias=True)
    _drop_paths(settings["data"])
    settings.pop("ckpt_path")
    for key in ("pretrained", "tokenizer"):
        if (value := settings["model"].get(key)) and Path(value).expanduser().exists():
            settings["model"][key] = Path(value).name
    return settings


def _drop_paths(data: dict[str, Any]) -> None:
    """Leave out where the corpora lie, also those of a mix."""
    data.pop("path")
    for part in data["parts"].values():
        _drop_paths(part)
