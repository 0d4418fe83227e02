"""What all sides share, made once per call in a folder of its own: examples, network, tokenizer, bundle."""

import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from benchmarks import workload
from benchmarks.scale import Scale
from yuhee import bundle
from yuhee.data.datamodule import DialogueDataModule
from yuhee.data.encoding.causal_lm import CausalLMEncoder
from yuhee.data.encoding.markers import END
from yuhee.data.encoding.reply_example import Example
from yuhee.data.encoding.tokenizer import train_tokenizer
from yuhee.data.splits import split
from yuhee.training import TrainConfig, compose_config, parse_config

FACTS = {
    "model": "benchmark",
    "corpus": "benchmark",
    "corpus_hash": "0" * 32,
    "split": {"by": "group", "seed": 0, "ratios": [0.8, 0.1, 0.1]},
    "pretrained": None,
    "private": False,
    "privacy": "public",
    "emotion_labels": ["0", "1", "2"],
    "longest": {"tokens": 1024, "exchanges": 16},
}


def as_spec(scale: Scale) -> dict[str, Any]:
    """The scale as plain values."""
    return asdict(scale)


def prepare(spec: dict[str, Any]) -> dict[str, Any]:
    """Fill the folder `spec["work"]` for the `Scale` in `spec["scale"]`.

    `examples.json` holds what this project trains on, token by token, for the peers; `dialogues.json` the words, for
    the original recipe; `workload.json` overrides and figures; `bundle/` the network with random weights.
    """
    work, scale = Path(spec["work"]), Scale(**spec["scale"])
    overrides = _overrides(work, scale)
    config = parse_config(compose_config(overrides))
    parts = split(config.data.read().dialogues, **dict(config.data.split))
    encoder = config.family.make_encoder(config.model, config.data, parts)
    data = DialogueDataModule(
        parts,
        encoder,
        cache=work / "prepared",
        cache_key="benchmark",
        batch_size=scale.batch_size,
        emotion_dropout=config.data.emotion_dropout,
        chain=config.data.chain,
    )
    data.setup()
    store = data.examples["train"]
    examples = [store[index] for index in range(len(store))]
    workload.save(work, "examples", [{"input_ids": e.input_ids, "labels": e.labels} for e in examples])
    workload.save(work, "dialogues", [[(turn.role, turn.text) for turn in d.turns] for d in parts.train])
    figures = _save_network(config, encoder, work) | _figures(examples)
    workload.save(work, "workload", {"overrides": overrides, "batch_size": scale.batch_size, **figures})
    _convert(work)
    return figures


def _overrides(work: Path, scale: Scale) -> list[str]:
    """As one would type them after `python train.py`."""
    if scale.tokenizer is None:
        place = work / "tokenizer"
        sample = parse_config(compose_config([f"data={scale.corpus}"])).data.read()
        texts = (turn.text for dialogue in sample.dialogues for turn in dialogue.turns)
        place.mkdir()
        (place / "tokenizer.json").write_text(train_tokenizer(texts, 600).to_str(), encoding="utf-8")
    else:
        place = Path(os.environ["YUHEE_DATA_DIR"]) / scale.tokenizer
    return [*scale.network, f"model.tokenizer={place}", f"data={scale.corpus}", f"data.batch_size={scale.batch_size}"]


def _save_network(config: TrainConfig, encoder: CausalLMEncoder, work: Path) -> dict[str, Any]:
    torch.manual_seed(0)
    module = config.family.create(config.model, encoder, FACTS)
    network = module.network.eval()
    with torch.no_grad():  # no side's greedy reply ends by itself
        network.get_input_embeddings().weight[encoder.end_id] = 0
    bundle.save_bundle(bundle.Model(network, encoder, module.description()), work / "bundle", {})
    head = network.get_output_embeddings().weight.numel()
    positions = sum(p.numel() for name, p in network.named_parameters() if "wpe" in name)
    body = sum(p.numel() for p in network.parameters()) - head - positions
    return {"body_parameters": body, "head_parameters": head}


def _figures(examples: Sequence[Example]) -> dict[str, Any]:
    replies = sum(label != -100 for example in examples for label in example.labels)
    return {
        "examples": len(examples),
        "tokens_per_example": sum(len(example.input_ids) for example in examples) / len(examples),
        "reply_tokens_per_example": replies / len(examples),
    }


def _convert(work: Path) -> None:
    """The bundle for CTranslate2, if it is installed."""
    try:
        from ctranslate2.converters import TransformersConverter
    except ModuleNotFoundError:
        return
    TransformersConverter(str(work / "bundle")).convert(str(work / "ctranslate2"), quantization="int8", force=True)
    config = workload.read(str(work / "ctranslate2"), "config")
    # the converter writes null for tokens that the tokenizer does not name, which its own runtime refuses
    tokens = {key: config[key] or END for key in ("bos_token", "eos_token", "unk_token")}
    workload.save(work / "ctranslate2", "config", {**config, **tokens})
