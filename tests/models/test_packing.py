"""Packed dialogues do not know of each other: losses and gradients are those of dialogues alone."""

from functools import cache
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from tests.conftest import NETWORK, TEXTS, small_module
from yuhee.data.encoding.causal_lm import CausalLMEncoder
from yuhee.data.encoding.markers import PAD
from yuhee.data.encoding.reply_example import Batch, Collate, Example, Kind
from yuhee.data.encoding.tokenizer import train_tokenizer
from yuhee.data.packing import Pack
from yuhee.errors import UserError
from yuhee.models.causal_lm import CausalLM

SIZE = 40
SHAPE = {
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "hidden_size": 32,
    "intermediate_size": 64,
    "max_position_embeddings": 128,
}
NETWORKS = {
    "gpt2": NETWORK,
    "gpt_neox": {"model_type": "gpt_neox", "tie_word_embeddings": True, **SHAPE},
    "llama": {"model_type": "llama", "num_key_value_heads": 1, **SHAPE},
}
both = pytest.mark.parametrize("attention", ["sdpa", "eager"])
all_networks = pytest.mark.parametrize("network", NETWORKS)
dialogues = st.lists(st.integers(1, SIZE), min_size=2, max_size=8)


@cache
def _encoder() -> CausalLMEncoder:
    return CausalLMEncoder(train_tokenizer(TEXTS * 3, 600), max_length=SIZE)


@cache
def _module(network: str, attention: str) -> CausalLM:
    """Untrained, with weights ten times as large as usual: attention must matter."""
    module = small_module(_encoder(), network=NETWORKS[network], context_loss_weight=1.0)
    module.network.set_attn_implementation(attention)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(10 if parameter.ndim > 1 else 1)
    return module.eval()


def _examples(lengths: list[int]) -> list[Example]:
    """Random dialogues of so many tokens; every token is learned, as reply or as context."""
    random = torch.Generator().manual_seed(sum(lengths))
    return [
        Example(
            str(n),
            torch.randint(20, 400, (length,), generator=random).tolist(),
            [int(kind) for kind in (Kind.REPLY, Kind.CONTEXT)] * (length // 2) + [int(Kind.REPLY)] * (length % 2),
            1,
            0,
        )
        for n, length in enumerate(lengths)
    ]


def _nll(module: CausalLM, batch: Batch) -> torch.Tensor:
    """(n,) nats of the replies' tokens."""
    with torch.no_grad():
        _, nll, is_reply = module._objective(batch)
        return nll[is_reply]


@both
@all_networks
@settings(max_examples=15)
@given(dialogues)
@example([1, 1, 1, 1, 2])
@example([SIZE, SIZE, 1])
def test_a_dialogues_loss_is_the_same_packed_and_alone(network: str, attention: str, lengths: list[int]) -> None:
    module = _module(network, attention)
    examples, pad = _examples(lengths), module.encoder.markers[PAD]
    batch = Pack(pad, SIZE)(examples)
    packed = _nll(module, batch)
    alone = [_nll(module, Collate(pad)([examples[int(name)]])) for name in batch["ids"]]
    torch.testing.assert_close(packed, torch.cat(alone), atol=2e-5, rtol=2e-5)


@all_networks
def test_without_positions_the_dialogues_would_be_read_as_one(network: str) -> None:
    module = _module(network, "sdpa")
    batch = Pack(module.encoder.markers[PAD], SIZE)(_examples([10, 12, 15]))
    packed = _nll(module, batch)
    del batch["position_ids"]
    as_one = _nll(module, batch)
    torch.testing.assert_close(as_one[:7], packed[:7])
    assert (as_one - packed)[7:].abs().median() > 0.01


@both
@all_networks
def test_a_packed_batch_has_the_gradients_of_a_padded_one(network: str, attention: str) -> None:
    module = _module(network, attention)
    examples, pad = _examples([3, 9, 1, 14, 22, 8, 2]), module.encoder.markers[PAD]
    gradients = []
    for batch in (Pack(pad, SIZE)(examples), Collate(pad)(examples)):
        module.zero_grad()
        module._objective(batch)[0].backward()
        gradients.append({name: p.grad.clone() for name, p in module.named_parameters() if p.grad is not None})
    assert gradients[0].keys() == gradients[1].keys() == dict(module.named_parameters()).keys()
    for name, gradient in gradients[1].items():
        scale = gradient.abs().max().item()
        torch.testing.assert_close(gradients[0][name], gradient, atol=1e-5 * scale, rtol=1e-4)


def test_evaluation_reads_packed_batches_as_well() -> None:
    module = _module("gpt_neox", "sdpa")
    examples, pad = _examples([10, 12, 15]), module.encoder.markers[PAD]
    packed, alone = Pack(pad, SIZE)(examples), Collate(pad)([examples[0]])
    [row] = (packed["position_ids"] == 0).nonzero()[packed["ids"].index("0"), 1:].tolist()
    with torch.no_grad():
        states = module(packed["input_ids"], packed["position_ids"])
        torch.testing.assert_close(states[0, row : row + 10], module(alone["input_ids"])[0], atol=1e-4, rtol=1e-4)


class _Packing(pl.LightningDataModule):
    packing = True

    def __init__(self, batch: Batch) -> None:
        super().__init__()
        self.batch = batch

    def train_dataloader(self) -> Any:
        return DataLoader([self.batch], batch_size=None)  # type: ignore[arg-type]


def _fit(network: dict[str, Any], **options: Any) -> CausalLM:
    module = small_module(_encoder(), network=network)
    batch = Pack(module.encoder.markers[PAD], SIZE)(_examples([10, 12, 15]))
    trainer = pl.Trainer(accelerator="cpu", max_epochs=1, logger=False, enable_checkpointing=False, **options)
    trainer.fit(module, datamodule=_Packing(batch))
    return module


@pytest.mark.parametrize(
    "network",
    [
        {"model_type": "falcon", "alibi": True, **{key: SHAPE[key] for key in list(SHAPE)[:3]}},
        {"model_type": "opt", "ffn_dim": 64, "word_embed_proj_dim": 32, **{key: SHAPE[key] for key in list(SHAPE)[:3]}},
    ],
)
def test_a_network_that_mixes_the_dialogues_is_refused(network: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"data\.packing=false"):
        _fit(network)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "bf16-true"])
@all_networks
def test_a_network_that_does_not_is_trained(network: str, precision: Any) -> None:
    module = _fit(NETWORKS[network], precision=precision, enable_progress_bar=False, enable_model_summary=False)
    assert module.trainer.global_step == 1
    assert module.network.training
