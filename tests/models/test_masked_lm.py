"""Masking, the masked loss, and pre-training from the command line."""

import json
import signal
import subprocess
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import pipeline
from typer.testing import CliRunner

from tests.conftest import TEXTS, dialogue
from tests.data.readers import wordpiece
from tests.training.sweep_corpus import SMALL, write_corpus
from yuhee import cli
from yuhee.data.encoding.masked_text import MaskedTextEncoder, TextBatch
from yuhee.data.encoding.tokenizer import train_tokenizer
from yuhee.errors import UserError
from yuhee.models.losses import IGNORE
from yuhee.models.masked_lm import MaskedLM, MaskedLMConfig, Masking, fixed_draws
from yuhee.training import Interrupted, compose_config, parse_config, train
from yuhee.training.summary import print_summary

Run = Callable[..., subprocess.CompletedProcess[str]]
NETWORK = {"num_hidden_layers": 1, "num_attention_heads": 2, "hidden_size": 32, "intermediate_size": 64}
ENCODER = MaskedTextEncoder(train_tokenizer(TEXTS * 3, 600), max_length=64)
VOCABULARY = ENCODER.special_ids()["vocab_size"]
MASKING = Masking(ENCODER.special, VOCABULARY, 0.15)


def small_masked_lm(encoder: MaskedTextEncoder = ENCODER, **config: Any) -> MaskedLM:
    values = {"_target_": "yuhee.models.masked_lm.MaskedLM", "from_scratch": True, "vocab_size": 600, "lr": 1e-3}
    torch.manual_seed(0)
    return MaskedLM.create(MaskedLMConfig(**{**values, "network": NETWORK, **config}), encoder, {})


def _batch(encoder: MaskedTextEncoder = ENCODER) -> TextBatch:
    return encoder.collate()(encoder.encode([dialogue(*TEXTS)]))


def test_of_the_chosen_words_eight_in_ten_are_masked_one_is_another_word_and_one_stays() -> None:
    ids = torch.randint(280, VOCABULARY, (200, 64))
    ids[:, 0] = ENCODER.special["cls_token"]
    hidden, labels = MASKING(ids, torch.rand(3, *ids.shape))
    chosen = labels != IGNORE
    assert (labels[chosen] == ids[chosen]).all()
    assert (hidden[~chosen] == ids[~chosen]).all()
    assert not chosen[:, 0].any()
    assert chosen[:, 1:].float().mean() == pytest.approx(0.15, abs=0.01)
    masked = hidden[chosen] == ENCODER.special["mask_token"]
    kept = hidden[chosen] == ids[chosen]
    assert masked.float().mean() == pytest.approx(0.8, abs=0.03)
    assert kept.float().mean() == pytest.approx(0.1, abs=0.03)
    others = hidden[chosen][~masked & ~kept]
    assert not set(others.tolist()) & set(ENCODER.special.ids.values())


def test_the_largest_possible_draw_is_still_a_word() -> None:
    almost = torch.tensor([0.0, 0.85, 1 - 2**-24])[:, None, None]
    hidden, _ = MASKING(torch.tensor([[400]]), almost)
    assert hidden.item() == VOCABULARY - 1


def test_the_loss_is_the_plain_one_of_transformers() -> None:
    module, batch = small_masked_lm().eval(), _batch()
    draws = torch.rand(3, *batch["input_ids"].shape)
    hidden, labels = module.masking(batch["input_ids"], draws)
    plain = module.network(input_ids=hidden, attention_mask=batch["attention_mask"], labels=labels).loss
    loss, totals = module._guess(batch, draws)
    assert loss.item() / totals.tokens == pytest.approx(plain.item(), rel=1e-5)
    assert totals.tokens == (labels != IGNORE).sum()


def test_evaluation_masks_a_text_the_same_way_in_any_batch() -> None:
    module, batch = small_masked_lm().eval(), _batch()
    together = module.evaluated(batch)
    assert module.evaluated(batch) == together
    alone = module.new_totals()
    for example in ENCODER.encode([dialogue(*TEXTS)]):
        alone += module.evaluated(ENCODER.collate()([example]))
    assert together.tokens > 0
    assert alone.as_list() == pytest.approx(together.as_list(), rel=1e-4)
    whole = fixed_draws(batch["input_ids"], batch["attention_mask"])
    assert len(set(whole[0].flatten().tolist())) > batch["tokens"] // 2


def test_a_batch_without_a_hidden_word_costs_nothing_and_breaks_nothing() -> None:
    module, batch = small_masked_lm(), _batch()
    loss, totals = module._guess(batch, torch.ones(3, *batch["input_ids"].shape) - 0.01)
    loss.backward()
    assert totals.as_list() == [0, 0, 0]
    assert all(torch.isfinite(p.grad).all() for p in module.parameters() if p.grad is not None)


@pytest.mark.parametrize("network", ["bert", "electra", "modernbert"])
def test_other_shapes_learn_too(network: str) -> None:
    encoder = MaskedTextEncoder(wordpiece(TEXTS * 3), max_length=64)
    module = small_masked_lm(encoder, network={"model_type": network, **NETWORK})
    module.objective(_batch(encoder)).loss.backward()
    assert module.network.get_input_embeddings().weight.grad.abs().sum() > 0


@pytest.mark.parametrize(("network", "limit"), [("roberta", 30 - 4), ("bert", 30)])
def test_a_length_beyond_the_positions_is_refused_and_the_longest_possible_one_fits(network: str, limit: int) -> None:
    """RoBERTa's positions begin behind its padding id, which is 3 here."""
    shape = {"model_type": network, **NETWORK, "max_position_embeddings": 30}
    with pytest.raises(UserError, match=f"data.max_length={limit + 1}: 이 모델은 {limit} 토큰"):
        small_masked_lm(MaskedTextEncoder(ENCODER.tokenizer, max_length=limit + 1), network=shape)
    encoder = MaskedTextEncoder(ENCODER.tokenizer, max_length=limit)
    module = small_masked_lm(encoder, network=shape)
    batch = encoder.collate()(encoder.encode([dialogue(" ".join(TEXTS))]))
    assert batch["input_ids"].shape[1] == limit
    module.objective(batch)


TINY = ("experiment=pretrain_mlm", *SMALL, "data.epochs=2", "model.network.intermediate_size=64")


def test_pretraining_makes_a_bundle_that_plain_transformers_fills_masks_with(
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_corpus(Path())
    folder = Path("run")
    print_summary(train(parse_config(compose_config(TINY)), folder))
    assert "model=emotion_roberta model.pretrained=" in capsys.readouterr().out
    figures = json.loads((folder / "metrics.json").read_text())
    assert {f"{part}/{name}" for part in ("train", "val", "test") for name in ("loss", "ppl", "accuracy")} <= set(
        figures
    )
    assert "감정을 가려내지도 못합니다" in str(CliRunner().invoke(cli.app, ["chat", str(folder)]).exception)
    assert "</s>│" in CliRunner().invoke(cli.app, ["show", *TINY, "-n", "1"]).stdout
    fill = pipeline("fill-mask", model=str(folder / "bundle"))
    assert len(fill("질문 <mask>번")) == 5


def _trained(folder: str, *arguments: str, ckpt_path: str | None = None) -> dict[str, Any]:
    config = parse_config(compose_config([*TINY, *arguments]))
    metrics = train(config.model_copy(update={"ckpt_path": ckpt_path}), Path(folder)).metrics
    return {name: value for name, value in metrics.items() if name.split("/")[0] in ("train", "val", "test")}


def test_masks_are_drawn_anew_each_epoch_and_the_same_after_a_stop_on_any_number_of_workers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_corpus(Path())
    seen: list[tuple[bytes, bytes]] = []
    stop_at = 0
    original = Masking.__call__

    def note(self: Masking, ids: torch.Tensor, draws: torch.Tensor) -> Any:
        hidden, labels = original(self, ids, draws)
        if torch.is_grad_enabled():
            seen.append((ids.numpy().tobytes(), hidden.numpy().tobytes()))
            if len(seen) == stop_at:
                signal.raise_signal(signal.SIGINT)
        return hidden, labels

    monkeypatch.setattr(Masking, "__call__", note)
    whole = _trained("whole", "data.batch_size=1")
    unbroken, stop_at = seen.copy(), len(seen) * 2 // 3
    by_text = defaultdict(set)
    for text, hidden in unbroken:
        by_text[text].add(hidden)
    assert max(map(len, by_text.values())) > 1
    seen.clear()
    with pytest.raises(Interrupted):
        _trained("stopped", "data.batch_size=1")
    assert len(seen) == stop_at
    again = _trained("stopped", "data.batch_size=1", "data.num_workers=1", ckpt_path="last")
    assert seen == unbroken
    steady = [name for name in whole if not name.endswith("per_second")]
    assert {name: again[name] for name in steady} == {name: whole[name] for name in steady}


def test_a_tokenizer_without_a_mask_token_is_refused_before_weights_load() -> None:
    write_corpus(Path())
    tokenizer = json.loads(ENCODER.vocabulary)
    tokenizer["added_tokens"] = [token for token in tokenizer["added_tokens"] if token["content"] != "<mask>"]
    Path("tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(UserError, match="<mask> 토큰이 없어"):
        _trained("run", "model.tokenizer=tokenizer.json")


@pytest.mark.parametrize(
    ("argument", "part"),
    [
        ("model.pretrained=klue/roberta-small", "model.from_scratch=false도"),
        ("data.history=1", "차례를 하나씩 읽습니다"),
    ],
)
def test_settings_that_would_be_silently_ignored_are_refused(argument: str, part: str) -> None:
    write_corpus(Path())
    with pytest.raises(UserError) as caught:
        _trained("run", argument)
    assert part in str(caught.value)
