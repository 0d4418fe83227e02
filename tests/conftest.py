"""Shared fixtures: everything is made here, from nothing, in a temporary folder; no test touches a network."""

import os

# before torch is imported, here and in child processes: the tests run side by side, a core each
os.environ.setdefault("OMP_NUM_THREADS", "1")

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, settings
from tokenizers import Tokenizer

from tests import commands
from yuhee import bundle
from yuhee.data.dialogue import Dialogue, Turn, group_keys
from yuhee.data.encoding.causal_lm import CausalLMEncoder
from yuhee.data.encoding.seq2seq import Seq2SeqEncoder
from yuhee.data.encoding.tokenizer import parse_tokenizer, train_tokenizer
from yuhee.models.causal_lm import CausalLM, CausalLMConfig
from yuhee.models.kobart import KoBART, KoBARTConfig

ROOT = commands.ROOT
DATA = Path(os.environ["YUHEE_DATA_DIR"]).resolve() if os.environ.get("YUHEE_DATA_DIR") else None
REQUIRED = {part for part in os.environ.get("YUHEE_REQUIRE", "").split(",") if part}

settings.register_profile("yuhee", deadline=None, max_examples=75, suppress_health_check=list(HealthCheck))
settings.load_profile("yuhee")

TEXTS = (
    "안녕! 오늘 뭐 했어?",
    "오늘 너무 힘들었어ㅠㅠ",
    "헐 무슨 일 있었어? 나한테 말해 봐",
    "시험을 망쳤어. 다시는 안 볼래",
    "ㅋㅋㅋ 그래도 끝났잖아, 고생했어",
    "밥은 먹었어?\n뭐 먹었는데",
    "라면 먹었어 :) 맛있더라",
    "고마워 유희야 ^^",
)


def need(part: str, reason: str) -> None:
    """Skip for want of an optional part, or fail if `YUHEE_REQUIRE` names it."""
    if part in REQUIRED:
        pytest.fail(f"{reason}, but YUHEE_REQUIRE={part} is set")
    pytest.skip(reason)


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test works in its own folder, with its own cache and no corpora, hubs or trackers around."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("YUHEE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("YUHEE_DATA_DIR", raising=False)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    torch.manual_seed(0)


@pytest.fixture
def songys_data(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that holds the real `songys/ChatbotData.csv`, also as `$YUHEE_DATA_DIR`."""
    if DATA is None or not (DATA / "songys" / "ChatbotData.csv").is_file():
        need("data", "the real songys file is not in $YUHEE_DATA_DIR")
    monkeypatch.setenv("YUHEE_DATA_DIR", str(DATA))
    assert DATA is not None
    return DATA


@pytest.fixture(scope="session")
def kogpt2_json() -> str:
    """The real KoGPT2 1.0 `tokenizer.json`."""
    if DATA is None or not (DATA / "kogpt2_v1_tokenizer" / "tokenizer.json").is_file():
        need("data", "the real KoGPT2 tokenizer is not in $YUHEE_DATA_DIR")
    assert DATA is not None
    return (DATA / "kogpt2_v1_tokenizer" / "tokenizer.json").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def tiny_tokenizer() -> Tokenizer:
    """A small tokenizer as `model=tiny` trains it."""
    return train_tokenizer(TEXTS * 3, 600)


@pytest.fixture(scope="session")
def kogpt2_like_json() -> str:
    """A small `tokenizer.json` with KoGPT2's traps: NFKC, emoticons flagged special, no unknown token, no bytes."""
    data = json.loads(train_tokenizer(TEXTS * 3, 600).to_str())
    data["normalizer"] = {"type": "NFKC"}
    data["decoder"] = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
    data["model"]["byte_fallback"] = False
    next_id = max(data["model"]["vocab"].values()) + 1
    flags = {"special": True, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    for offset, emoticon in enumerate(("ㅠㅠ", "^^", ":)", "😊", ":-<", ":-)8<", "8<:-)")):
        data["added_tokens"].append({"id": next_id + offset, "content": emoticon, **flags})
    return json.dumps(data, ensure_ascii=False)


@pytest.fixture
def encoder(tiny_tokenizer: Tokenizer) -> CausalLMEncoder:
    return CausalLMEncoder(tiny_tokenizer, max_length=128)


@pytest.fixture
def kogpt2_like(kogpt2_like_json: str) -> CausalLMEncoder:
    return CausalLMEncoder(parse_tokenizer(kogpt2_like_json), max_length=128)


def dialogue(*texts: str, emotion: str | None = None, name: str = "d:1") -> Dialogue:
    """A dialogue of alternating turns, the user's first."""
    turns = tuple(
        Turn("assistant", text) if index % 2 else Turn("user", text, emotion=emotion)
        for index, text in enumerate(texts)
    )
    return Dialogue(name, turns, group_keys(turns))


FACTS = {
    "model": "tiny",
    "pretrained": None,
    "corpus": "test",
    "corpus_hash": "0" * 32,
    "split": {"by": "group", "seed": 0, "ratios": [0.8, 0.1, 0.1]},
    "emotion_labels": ["0", "1", "2"],
    "private": False,
    "longest": {"tokens": 100, "exchanges": 4},
}
NETWORK = {"n_layer": 2, "n_head": 2, "n_embd": 32, "n_positions": 128}


def small_module(encoder: CausalLMEncoder, **config: object) -> CausalLM:
    """A random causal language model of a few thousand parameters for an encoder."""
    values = {"_target_": "yuhee.models.causal_lm.CausalLM", "from_scratch": True, "vocab_size": 600, "lr": 1e-3}
    torch.manual_seed(0)
    return CausalLM.create(CausalLMConfig(**{**values, "network": NETWORK, **config}), encoder, dict(FACTS))


BART = {
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 64,
    "max_position_embeddings": 64,
}


def small_bart(encoder: Seq2SeqEncoder, **config: object) -> KoBART:
    """A random BART of a few thousand parameters for an encoder."""
    values = {"_target_": "yuhee.models.kobart.KoBART", "from_scratch": True, "vocab_size": 600, "lr": 1e-3}
    torch.manual_seed(0)
    return KoBART.create(KoBARTConfig(**{**values, "network": BART, **config}), encoder, dict(FACTS))


@pytest.fixture
def small_model(encoder: CausalLMEncoder) -> bundle.Model:
    """An untrained model, as `bundle.load` returns one."""
    module = small_module(encoder)
    return bundle.Model(module.network.eval(), encoder, module.description())


@pytest.fixture
def small_bundle(small_model: bundle.Model, tmp_path: Path) -> Path:
    """The same model as a folder."""
    folder = tmp_path / "small" / "bundle"
    bundle.save_bundle(small_model, folder, {"test/bpc": 9.0})
    return folder


@pytest.fixture
def run() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run `python train.py …` or `yuhee …` as a user would, in the test's folder."""
    return commands.run


def one_sentence_error(result: subprocess.CompletedProcess[str]) -> str:
    """The error a failed command told its user: no traceback, status 1."""
    assert result.returncode == 1, result.stdout + result.stderr
    assert "Traceback" not in result.stdout + result.stderr
    found = re.search(r"^오류: (.+)$", result.stderr, re.MULTILINE | re.DOTALL)
    assert found, result.stderr
    return found[1].strip()
