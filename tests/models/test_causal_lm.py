"""The objective, its normalisation over micro-batches, and what a wrong checkpoint is told."""

import math
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from tests.conftest import NETWORK, dialogue, small_module
from yuhee.data.encoding.causal_lm import CausalLMEncoder
from yuhee.data.encoding.markers import PAD
from yuhee.data.encoding.reply_example import Batch, Collate
from yuhee.errors import UserError
from yuhee.models.causal_lm import CausalLM

DIALOGUES = [
    dialogue("안녕", "응 안녕! 오늘 뭐 했어?", "그냥 있었어", "그래, 쉬는 날도 있어야지", emotion="0"),
    dialogue("너무 힘들었어ㅠㅠ", "무슨 일 있었어?", emotion="1"),
    dialogue("고마워", "ㅋㅋㅋ", emotion="2"),
    dialogue("라면 먹었어 :)", "맛있더라?", "응 :)", "^^"),
    dialogue("시험을 망쳤어", "고생했어", emotion="1"),
]


def _batch(encoder: CausalLMEncoder, start: int = 0, end: int = len(DIALOGUES)) -> Batch:
    return Collate(encoder.markers[PAD])(encoder.encode(DIALOGUES[start:end]))


def _train(module: CausalLM, batches: list[Batch], **options: Any) -> pl.Trainer:
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **options,
    )
    trainer.fit(module, DataLoader(batches, batch_size=None))  # type: ignore[arg-type]
    return trainer


def _full_logits_loss(module: CausalLM, batch: Batch, labels: torch.Tensor) -> torch.Tensor:
    """The plain loss of `transformers`: all logits, an attention mask, mean over the labels."""
    mask = (batch["input_ids"] != module.encoder.markers[PAD]).long()
    return module.network(batch["input_ids"], attention_mask=mask, labels=labels).loss


@pytest.mark.parametrize("context", [False, True])
def test_loss_and_gradients_equal_the_plain_full_logits_loss(encoder: CausalLMEncoder, context: bool) -> None:
    module = small_module(encoder, context_loss_weight=float(context)).eval()
    batch = _batch(encoder)
    labels = batch["labels"]
    if context:
        labels = labels.where(labels != -100, batch["context_labels"])
    expected = _full_logits_loss(module, batch, labels)
    expected.backward()
    gradients = {name: p.grad.clone() for name, p in module.named_parameters() if p.grad is not None}
    module.zero_grad()
    loss, nll, _ = module._objective(batch)
    loss = loss / len(nll)
    loss.backward()
    assert loss.item() == pytest.approx(expected.item(), abs=1e-5)
    for name, parameter in module.named_parameters():
        torch.testing.assert_close(parameter.grad, gradients[name], atol=1e-5, rtol=1e-4)


def test_validation_figures_are_those_of_the_plain_loss(encoder: CausalLMEncoder) -> None:
    module = small_module(encoder, context_loss_weight=1.0).eval()
    batch = _batch(encoder)
    tokens = int((batch["labels"][:, 1:] != -100).sum())
    nats = _full_logits_loss(module, batch, batch["labels"]).item() * tokens
    trainer = pl.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False)
    trainer.validate(module, DataLoader([batch], batch_size=None), verbose=False)  # type: ignore[arg-type]
    figures = trainer.callback_metrics
    characters = sum(len(reply) + 1 for d in DIALOGUES for reply in d.replies)
    assert figures["val/loss"] == pytest.approx(nats / tokens, abs=1e-5)
    assert figures["val/ppl"] == pytest.approx(math.exp(nats / tokens), rel=1e-4)
    assert figures["val/bpc"] == pytest.approx(nats / math.log(2) / characters, abs=1e-5)


def test_padding_changes_nothing(encoder: CausalLMEncoder) -> None:
    module = small_module(encoder).eval()
    together = module._objective(_batch(encoder))[1]
    alone = torch.cat([module._objective(_batch(encoder, n, n + 1))[1] for n in range(len(DIALOGUES))])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


def test_micro_batches_of_unlike_size_make_the_same_step_as_one_batch(encoder: CausalLMEncoder) -> None:
    """A mean of means would weigh the small micro-batch's tokens more."""
    dropless = {"network": {**NETWORK, "embd_pdrop": 0.0, "attn_pdrop": 0.0, "resid_pdrop": 0.0}, "warmup_ratio": 0.0}
    whole, parts = (small_module(encoder, context_loss_weight=0.5, **dropless) for _ in range(2))
    _train(whole, [_batch(encoder)], gradient_clip_val=0.5)
    _train(parts, [_batch(encoder, 0, 1), _batch(encoder, 1, 5)], gradient_clip_val=0.5, accumulate_grad_batches=2)
    for name, parameter in whole.named_parameters():
        torch.testing.assert_close(parameter, parts.get_parameter(name), atol=1e-6, rtol=1e-5)
    assert whole.step_figures["train/objective"] == pytest.approx(parts.step_figures["train/objective"], rel=1e-5)
    assert whole.step_figures["train/loss"] == pytest.approx(parts.step_figures["train/loss"], rel=1e-5)


def test_no_gradient_is_held_through_a_forward_pass_but_between_micro_batches(
    encoder: CausalLMEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, held = small_module(encoder), []
    objective = module._objective
    monkeypatch.setattr(
        module,
        "_objective",
        lambda batch: held.append(module.network.get_input_embeddings().weight.grad is not None) or objective(batch),
    )
    _train(module, [_batch(encoder)] * 4, accumulate_grad_batches=2)
    assert held == [False, True, False, True]


def test_token_dropout_masks_words_in_training_only(encoder: CausalLMEncoder) -> None:
    module = small_module(encoder, token_dropout=0.5)
    batch = _batch(encoder)
    mask = encoder.markers["<mask>"]
    masked = module._noised(batch) == mask
    words = ((batch["labels"] != -100) | (batch["context_labels"] != -100)) & (batch["input_ids"] != encoder.end_id)
    assert masked.any()
    assert not (masked & ~words).any()
    assert not masked[words].all()
    assert torch.equal(module.eval()._noised(batch), batch["input_ids"])


def test_biases_and_layer_norms_do_not_decay(encoder: CausalLMEncoder) -> None:
    module = small_module(encoder, weight_decay=0.3)
    trainer = _train(module, [_batch(encoder)])
    decayed, free = trainer.optimizers[0].param_groups
    assert decayed["weight_decay"] == 0.3
    assert free["weight_decay"] == 0.0
    assert all(p.ndim > 1 for p in decayed["params"])
    assert {id(p) for p in free["params"]} == {
        id(p) for name, p in module.named_parameters() if name.endswith("bias") or ".ln_" in name
    }


def test_the_learning_rate_warms_up_and_follows_a_cosine(encoder: CausalLMEncoder) -> None:
    module = small_module(encoder, lr=1.0, warmup_ratio=0.25)
    rates = []
    batches = [_batch(encoder)] * 8
    module.optimizer_step = lambda *a, **k: rates.append(a[2].param_groups[0]["lr"]) or a[3]()  # type: ignore[method-assign]
    _train(module, batches)
    expected = [0.0, 0.5] + [0.5 * (1 + math.cos(math.pi * step / 6)) for step in range(6)]
    assert rates == pytest.approx(expected)


def test_a_non_finite_loss_stops_with_step_examples_and_advice(encoder: CausalLMEncoder) -> None:
    module = small_module(encoder)
    with torch.no_grad():
        module.network.get_input_embeddings().weight[encoder.markers["<usr>"]] = torch.nan
    with pytest.raises(UserError, match=r"1번째 스텝.*d:1.*model\.lr"):
        _train(module, [_batch(encoder)])


def test_a_checkpoint_of_another_vocabulary_is_refused(encoder: CausalLMEncoder, kogpt2_like: CausalLMEncoder) -> None:
    checkpoint: dict[str, Any] = {}
    small_module(encoder).on_save_checkpoint(checkpoint)
    with pytest.raises(UserError, match="어휘"):
        small_module(kogpt2_like).on_load_checkpoint(checkpoint)


def test_a_length_beyond_the_models_positions_is_refused(encoder: CausalLMEncoder) -> None:
    with pytest.raises(UserError, match=r"data\.max_length=128.*64 토큰"):
        small_module(encoder, network={**NETWORK, "n_positions": 64})


@pytest.mark.parametrize("network", [{"n_layers": 3}, {"n_head": 3, "n_embd": 32}])
def test_an_impossible_network_is_one_sentence(encoder: CausalLMEncoder, network: dict[str, int]) -> None:
    with pytest.raises(UserError, match=r"model\.network"):
        small_module(encoder, network=network)


def test_a_kogpt2_shaped_folder_loads(encoder: CausalLMEncoder, tmp_path: Path) -> None:
    """As the hub has it: `pytorch_model.bin`, and of the tokenizer only `tokenizer.json`."""
    source = small_module(encoder)
    folder = tmp_path / "kogpt2"
    source.network.config.save_pretrained(folder)
    torch.save(source.network.state_dict(), folder / "pytorch_model.bin")
    encoder.tokenizer.save(str(folder / "tokenizer.json"))
    loaded = small_module(encoder, from_scratch=False, pretrained=str(folder))
    for name, parameter in source.named_parameters():
        assert torch.equal(parameter, loaded.get_parameter(name))
