"""Networks that know what they want to say, and every engine to say it with."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pad_sequence
from transformers import GPT2Config, GPT2LMHeadModel, GPTNeoXConfig, GPTNeoXForCausalLM, PreTrainedModel

from tests.conftest import dialogue
from yuhee import bundle
from yuhee.chat import conversion
from yuhee.chat.ctranslate import CTranslateEngine
from yuhee.chat.engine import Engine, ReplyEngine
from yuhee.chat.quantised import int8_weights
from yuhee.data.encoding.causal_lm import CausalLMEncoder

ENGINES = ("torch", "int8", "ctranslate2")
QUESTIONS = [f"{who} {what}" for who in ("나는", "너는", "유희는", "친구는") for what in "가나다라마바"]
ANSWERS = [f"{number * 37 % 97}번이야 {'ㅋㅠ하응아'[number % 5]}" for number in range(len(QUESTIONS))]


def small_network(family: str, rows: int, **values: Any) -> PreTrainedModel:
    """A random network of a few thousand parameters."""
    torch.manual_seed(0)
    if family == "gpt2":
        shape = {"n_layer": 2, "n_head": 4, "n_embd": 64, "n_positions": 128}
        dropout = dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), 0.0)
        return GPT2LMHeadModel(
            GPT2Config(vocab_size=rows, bos_token_id=1, eos_token_id=1, **{**shape, **dropout, **values})
        )
    shape = {"num_hidden_layers": 2, "num_attention_heads": 4, "hidden_size": 64, "intermediate_size": 128}
    kind = {"max_position_embeddings": 128, "use_parallel_residual": False, "tie_word_embeddings": True}
    return GPTNeoXForCausalLM(
        GPTNeoXConfig(vocab_size=rows, bos_token_id=1, eos_token_id=1, **{**shape, **kind, **values})
    )


def padded_rows(encoder: CausalLMEncoder) -> int:
    """More rows than tokens, and no round number."""
    return max(encoder.tokenizer.get_vocab().values()) + 12 | 1


@pytest.fixture(scope="session", params=["gpt2", "gpt_neox"])
def trained(request: pytest.FixtureRequest, tiny_tokenizer: Tokenizer) -> bundle.Model:
    """A network that has learnt a different answer to each of 24 questions."""
    encoder = CausalLMEncoder(tiny_tokenizer, max_length=64)
    network = small_network(request.param, padded_rows(encoder))
    examples = encoder.encode([dialogue(*pair) for pair in zip(QUESTIONS, ANSWERS, strict=True)])
    ids = pad_sequence([torch.tensor(example.input_ids) for example in examples], batch_first=True)
    labels = pad_sequence([torch.tensor(example.labels) for example in examples], True, -100)
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    for _ in range(120):
        loss = cross_entropy(network(ids).logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten())
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()
    return bundle.Model(network.eval(), encoder, {})


def wanting(encoder: CausalLMEncoder, logits: Mapping[int, float], positions: int = 128) -> bundle.Model:
    """A model whose scores are the same after every token: 0 but for the given ids."""
    network = small_network("gpt2", padded_rows(encoder), n_positions=positions, n_embd=16, tie_word_embeddings=False)
    with torch.no_grad():
        network.transformer.ln_f.weight.zero_()
        network.transformer.ln_f.bias.fill_(1.0)
        network.lm_head.weight.zero_()
        for token, logit in logits.items():
            network.lm_head.weight[token] = logit / 16
    return bundle.Model(network.eval(), encoder, {})


def engine_of(name: str, model: bundle.Model, folder: Path | None = None) -> ReplyEngine:
    """An engine by name; CTranslate2 in full precision."""
    if name == "int8":
        return Engine(int8_weights(model.network), model.encoder)
    engine = Engine(model.network, model.encoder)
    if name == "torch":
        return engine
    ids = model.encoder.end_id, model.encoder.newline_id
    return CTranslateEngine(conversion.generator(model, folder, "float32"), engine, *ids)


@pytest.fixture(params=ENGINES)
def make(request: pytest.FixtureRequest) -> Callable[[bundle.Model], ReplyEngine]:
    """Makes each kind of engine in turn."""
    return lambda model: engine_of(request.param, model)
