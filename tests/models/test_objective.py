"""The fast training step against the plain float32 recipe of `transformers`: same objective, gradients and end."""

from functools import partial
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from tests.conftest import NETWORK, TEXTS, dialogue, small_module
from yuhee.data.encoding.causal_lm import CausalLMEncoder
from yuhee.data.encoding.markers import PAD
from yuhee.data.encoding.reply_example import Batch, Collate
from yuhee.models.causal_lm import CausalLM

GPT2 = {**NETWORK, "embd_pdrop": 0.0, "attn_pdrop": 0.0, "resid_pdrop": 0.0}
NEOX = {
    "model_type": "gpt_neox",
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "hidden_size": 32,
    "intermediate_size": 64,
    "max_position_embeddings": 128,
    "tie_word_embeddings": True,
    "attention_dropout": 0.0,
    "hidden_dropout": 0.0,
}
NETWORKS = {
    "gpt2": GPT2,
    "gpt2-untied": {**GPT2, "tie_word_embeddings": False},
    "neox": NEOX,
    "neox-untied": {**NEOX, "tie_word_embeddings": False},
}


def _batches(encoder: CausalLMEncoder) -> list[Batch]:
    pairs = [dialogue(a, b, name=f"{a}{b}") for a in TEXTS for b in TEXTS if a != b]
    collate = Collate(encoder.markers[PAD])
    return [collate(list(encoder.encode(pairs[first : first + 8]))) for first in range(0, len(pairs), 8)]


def _gradients(module: CausalLM, *batches: Batch) -> dict[str, Tensor]:
    """Gradients of the batches' summed objectives, accumulated batch by batch."""
    module.zero_grad()
    for batch in batches:
        with torch.autocast("cpu", torch.bfloat16, cache_enabled=False):
            loss = module._objective(batch)[0]
        loss.backward()
    return {name: p.grad.clone() for name, p in module.named_parameters() if p.grad is not None}


def _plain_gradients(module: CausalLM, batch: Batch) -> dict[str, Tensor]:
    """Those of the float32 loss of `transformers` over all logits."""
    module.zero_grad()
    share = module.config.context_loss_weight
    for labels, weight in ((batch["labels"], 1.0), (batch["context_labels"], share)):
        tokens = (labels[:, 1:] != -100).sum()
        mask = (batch["input_ids"] != module.encoder.markers[PAD]).long()
        (module.network(batch["input_ids"], attention_mask=mask, labels=labels).loss * tokens * weight).backward()
    return {name: p.grad.clone() for name, p in module.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("share", [0.0, 0.5])
@pytest.mark.parametrize("network", NETWORKS)
def test_gradients_in_bf16_point_where_the_plain_ones_do(network: str, share: float, encoder: CausalLMEncoder) -> None:
    module = small_module(encoder, network=NETWORKS[network], context_loss_weight=share)
    batch = _batches(encoder)[0]
    expected = _plain_gradients(module, batch)
    actual = _gradients(module, batch)
    assert actual.keys() == expected.keys()
    assert all(gradient.dtype == torch.float32 for gradient in actual.values())
    ours, plain = (torch.cat([g[name].flatten() for name in expected]) for g in (actual, expected))
    assert torch.cosine_similarity(ours, plain, dim=0) > 0.999
    assert ours.norm().item() == pytest.approx(plain.norm().item(), rel=0.01)


@pytest.mark.parametrize("share", [0.0, 0.5])
@pytest.mark.parametrize("network", NETWORKS)
def test_gradients_in_float32_are_the_plain_ones(network: str, share: float, encoder: CausalLMEncoder) -> None:
    module = small_module(encoder, network=NETWORKS[network], context_loss_weight=share)
    batch = _batches(encoder)[0]
    expected = _plain_gradients(module, batch)
    module.zero_grad()
    module._objective(batch)[0].backward()
    for name, parameter in module.named_parameters():
        torch.testing.assert_close(parameter.grad, expected[name], atol=1e-4, rtol=1e-4)


def test_micro_batches_add_up_in_float32(encoder: CausalLMEncoder) -> None:
    module = small_module(encoder, network=GPT2)
    batches = _batches(encoder)[:3]
    alone = [_gradients(module, batch) for batch in batches]
    for name, gradient in _gradients(module, *batches).items():
        assert torch.equal(gradient, sum((part[name] for part in alone[1:]), alone[0][name])), name


def _validation_loss(module: CausalLM, batches: list[Batch]) -> float:
    with torch.no_grad():
        nll = torch.cat([module.eval()._objective(batch)[1] for batch in batches])
    return nll.mean().item()


def _plain_training(module: CausalLM, batches: list[Batch], steps: int) -> None:
    """Float32, all logits, PyTorch's AdamW, the same warm-up and cosine."""
    decayed = [p for p in module.parameters() if p.ndim > 1]
    free = [p for p in module.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": module.config.weight_decay}, {"params": free, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=module.config.lr, foreach=False, fused=False)
    rate = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda n: min(n / (0.1 * steps), 1.0))
    for step in range(steps):
        batch = batches[step % len(batches)]
        mask = (batch["input_ids"] != module.encoder.markers[PAD]).long()
        loss = module.network(batch["input_ids"], attention_mask=mask, labels=batch["labels"]).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimizer.step()
        rate.step()


def test_200_steps_end_where_the_plain_float32_recipe_ends(encoder: CausalLMEncoder) -> None:
    *batches, held_out = _batches(encoder)
    config: dict[str, Any] = {"network": GPT2, "lr": 2e-3, "warmup_ratio": 0.1, "schedule": "constant"}
    ours, plain = (small_module(encoder, **config) for _ in range(2))
    before = _validation_loss(plain, [held_out])
    trainer = pl.Trainer(
        accelerator="cpu",
        precision="bf16-mixed",
        max_steps=200,
        gradient_clip_val=1.0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(ours, DataLoader(batches, batch_size=None))  # type: ignore[arg-type]
    _plain_training(plain.train(), batches, 200)
    reached = _validation_loss(plain, [held_out])
    assert reached < before / 10
    # other orders of the same batches end up to 0.02 nats apart
    assert _validation_loss(ours, [held_out]) == pytest.approx(reached, abs=0.02)


@pytest.mark.parametrize("network", ["gpt2", "neox"])
def test_gradient_checkpointing_changes_no_gradient(network: str, encoder: CausalLMEncoder) -> None:
    """Dropout included."""
    rate = {"resid_pdrop": 0.2, "attn_pdrop": 0.2} if network == "gpt2" else {"hidden_dropout": 0.2}
    gradients = []
    for on in (False, True):
        module = small_module(encoder, network={**NETWORKS[network], **rate}, gradient_checkpointing=on)
        torch.manual_seed(1)
        gradients.append(_gradients(module, _batches(encoder)[0]))
        assert module.network.is_gradient_checkpointing is on
    for name, gradient in gradients[0].items():
        assert torch.equal(gradients[1][name], gradient), name


def test_a_compiled_transformer_has_the_same_gradients(
    encoder: CausalLMEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Traced only: the code generator's minutes are PyTorch's to test."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    network = {**GPT2, "n_layer": 1}
    plain, compiled = (small_module(encoder, network=network, compile=on) for on in (False, True))
    for batch in _batches(encoder)[:2]:
        expected, actual = (_gradients(module, batch) for module in (plain, compiled))
        for name, gradient in expected.items():
            torch.testing.assert_close(actual[name], gradient, atol=1e-3, rtol=1e-2)
    assert compiled.state_dict().keys() == plain.state_dict().keys()
