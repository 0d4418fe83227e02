"""Known families: chat templates as their checkpoints publish them (without tools), tokenizers of their kind, and random
networks of a few thousand parameters."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from tests.conftest import TEXTS


def _published(name: str) -> str:
    return (TEMPLATES / f"{name}.jinja").read_text(encoding="utf-8").removesuffix("\n")


TEMPLATES = Path(__file__).parent / "fixtures" / "chat_templates"
QWEN25, GEMMA = _published("qwen2.5"), _published("gemma")
MARKED = _published("marked")  # says what the model writes, as the trainable templates of TRL and SmolLM do
CHATML = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
Train = Callable[[tuple[str, ...]], Tokenizer]


def byte_level(special: tuple[str, ...]) -> Tokenizer:
    """As of GPT-2, Llama 3, Qwen, EXAONE and Polyglot."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=500, special_tokens=list(special), initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(TEXTS * 3, trainer)
    return tokenizer


def sentence_piece(special: tuple[str, ...]) -> Tokenizer:
    """As of Gemma and Mistral: one piece per string, spaces as ▁, bytes for what is not in the vocabulary."""
    pieces = Tokenizer(models.BPE())
    pieces.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    size = 700 - 256
    pieces.train_from_iterator(
        TEXTS * 3, trainers.BpeTrainer(vocab_size=size, special_tokens=list(special), show_progress=False)
    )
    data = json.loads(pieces.to_str())["model"]
    vocab = dict(data["vocab"])
    for byte in range(256):
        vocab[f"<0x{byte:02X}>"] = len(vocab)
    tokenizer = Tokenizer(
        models.BPE(vocab=vocab, merges=[tuple(pair) for pair in data["merges"]], byte_fallback=True, fuse_unk=True)
    )
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    return tokenizer


@dataclass(frozen=True)
class FamilyCase:
    """A family: its template, its special tokens, and its network."""

    name: str
    template: str | None
    special: tuple[str, ...]
    named: dict[str, str]
    model_type: str
    train: Train = byte_level
    config: dict[str, Any] = field(default_factory=dict)


_NAMED = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
_GEMMA = ("<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>")
_GEMMA_NAMED = {"bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>", "unk_token": "<unk>"}
_HEAD = {"head_dim": 8}
CASES = (
    FamilyCase(
        "llama3",
        _published("llama3"),
        ("<|begin_of_text|>", "<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>", "<|end_of_text|>"),
        {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"},
        "llama",
    ),
    FamilyCase("qwen2.5", QWEN25, CHATML, {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}, "qwen2"),
    FamilyCase(
        "qwen3",
        _published("qwen3"),
        (*CHATML, "<think>", "</think>"),
        {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"},
        "qwen3",
        config=_HEAD,
    ),
    FamilyCase("gemma", GEMMA, _GEMMA, _GEMMA_NAMED, "gemma", sentence_piece, _HEAD),
    FamilyCase(
        "gemma2",
        GEMMA,
        _GEMMA,
        _GEMMA_NAMED,
        "gemma2",
        sentence_piece,
        {**_HEAD, "final_logit_softcapping": 1.0, "sliding_window": 16},
    ),
    FamilyCase("gemma3", GEMMA, _GEMMA, _GEMMA_NAMED, "gemma3_text", sentence_piece, {**_HEAD, "sliding_window": 16}),
    FamilyCase(
        "exaone",
        _published("exaone3.5"),
        ("[PAD]", "[BOS]", "[EOS]", "[|endofturn|]", "[|system|]", "[|user|]", "[|assistant|]"),
        {"bos_token": "[BOS]", "eos_token": "[|endofturn|]", "pad_token": "[PAD]"},
        "exaone4",
        config={**_HEAD, "sliding_window": 16},
    ),
    FamilyCase(
        "mistral",
        _published("mistral"),
        ("<unk>", "<s>", "</s>", "[INST]", "[/INST]"),
        _NAMED,
        "mistral",
        sentence_piece,
        {"sliding_window": 16},
    ),
    FamilyCase("marked", MARKED, CHATML, {"eos_token": "<|im_end|>"}, "llama"),
    FamilyCase("polyglot", None, ("<|endoftext|>", "<|sep|>"), {"eos_token": "<|endoftext|>"}, "gpt_neox"),
)
BY_NAME = {case.name: case for case in CASES}


def random_llm(case: FamilyCase, rows: int) -> PreTrainedModel:
    """A small random network of a family, whose head and embedding are tied where the family's are."""
    torch.manual_seed(0)
    shape = {
        "vocab_size": rows,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 512,
    }
    grouped = {} if case.model_type == "gpt_neox" else {"num_key_value_heads": 2}
    ids = {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0}
    config = AutoConfig.for_model(case.model_type, **{**shape, **grouped, **ids, **case.config})
    network: PreTrainedModel = AutoModelForCausalLM.from_config(config)
    return network.eval()


def checkpoint(case: FamilyCase, folder: Path) -> Path:
    """A folder as the hub has it: the network, `tokenizer.json`, and a `tokenizer_config.json` with the template."""
    tokenizer = case.train(case.special)
    random_llm(case, tokenizer.get_vocab_size() + 3).save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings: dict[str, Any] = {**case.named}
    if case.template:
        settings["chat_template"] = case.template
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, ensure_ascii=False), encoding="utf-8")
    return folder
