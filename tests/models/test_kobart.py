"""KoBART's objective against plain `transformers`, and what a wrong checkpoint is told."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn.functional import cross_entropy

from tests.conftest import dialogue, small_bart, small_module
from yuhee.data.encoding.causal_lm import CausalLMEncoder
from yuhee.data.encoding.seq2seq import Seq2SeqEncoder
from yuhee.data.encoding.seq2seq_example import Seq2SeqBatch
from yuhee.errors import UserError
from yuhee.models.kobart import KoBART

DIALOGUES = [
    dialogue("안녕", "응 안녕! 오늘 뭐 했어?", "그냥 있었어", "그래, 쉬는 날도 있어야지", emotion="0"),
    dialogue("너무 힘들었어ㅠㅠ", "무슨 일 있었어?", emotion="1"),
    dialogue("라면 먹었어 :)", "맛있더라?", "응 :)", "^^"),
]


@pytest.fixture
def reader(tiny_tokenizer: Tokenizer) -> Seq2SeqEncoder:
    return Seq2SeqEncoder(tiny_tokenizer, max_length=64)


def _batch(encoder: Seq2SeqEncoder, start: int = 0, end: int = 5) -> Seq2SeqBatch:
    return encoder.collate()(encoder.encode(DIALOGUES)[start:end])


def _plain(module: KoBART, batch: Seq2SeqBatch, smoothing: float = 0.0) -> Tensor:
    """The loss of `transformers` with the labels alone, summed: its own shift, all logits."""
    labels = batch["labels"][:, 1:].contiguous()
    output = module.network(batch["input_ids"], attention_mask=batch["attention_mask"], labels=labels)
    if not smoothing:
        loss: Tensor = output.loss * (labels != -100).sum()
        return loss
    return cross_entropy(output.logits.flatten(0, 1), labels.flatten(), label_smoothing=smoothing, reduction="sum")


def _gradients(module: KoBART) -> dict[str, Tensor]:
    found = {name: p.grad.clone() for name, p in module.named_parameters() if p.grad is not None}
    module.zero_grad()
    return found


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_loss_and_gradients_are_those_of_plain_transformers(reader: Seq2SeqEncoder, smoothing: float) -> None:
    module = small_bart(reader, label_smoothing=smoothing).eval()
    torch.nn.init.normal_(module.network.final_logits_bias)
    batch = _batch(reader)
    expected = _plain(module, batch, smoothing)
    expected.backward()  # type: ignore[no-untyped-call]
    gradients = _gradients(module)
    loss, value, weight, totals = module.objective(batch)
    loss.backward()  # type: ignore[no-untyped-call]
    assert value == pytest.approx(expected.item(), rel=1e-5)
    assert totals.nll == pytest.approx(_plain(module, batch).item(), rel=1e-5)
    assert weight == totals.tokens == sum(len(example.reply_ids) for example in reader.encode(DIALOGUES))
    for name, gradient in _gradients(module).items():
        torch.testing.assert_close(gradient, gradients.pop(name), atol=1e-4, rtol=1e-4)
    assert not gradients


def test_figures_are_unsmoothed_and_per_character(reader: Seq2SeqEncoder) -> None:
    module = small_bart(reader, label_smoothing=0.3).eval()
    batch = _batch(reader)
    totals = module.evaluated(batch)
    assert totals.nll == pytest.approx(_plain(module, batch).item(), rel=1e-5)
    assert totals.characters == sum(len(reply) + 1 for each in DIALOGUES for reply in each.replies)


def test_padding_changes_nothing(reader: Seq2SeqEncoder) -> None:
    module = small_bart(reader).eval()
    alone = sum(module.evaluated(_batch(reader, n, n + 1)).nll for n in range(5))
    assert module.evaluated(_batch(reader)).nll == pytest.approx(alone, rel=1e-5)


def test_gradient_checkpointing_changes_no_gradient(reader: Seq2SeqEncoder) -> None:
    gradients = []
    for on in (False, True):
        module = small_bart(reader, gradient_checkpointing=on)
        torch.manual_seed(1)
        module.objective(_batch(reader)).loss.backward()  # type: ignore[no-untyped-call]
        gradients.append(_gradients(module))
        assert module.network.is_gradient_checkpointing is on
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, atol=1e-6, rtol=1e-5)


def _folder(module: Any, folder: Path) -> str:
    module.network.config.save_pretrained(folder)
    torch.save(module.network.state_dict(), folder / "pytorch_model.bin")
    module.encoder.tokenizer.save(str(folder / "tokenizer.json"))
    return str(folder)


def test_a_folder_of_another_family_is_refused_before_its_weights_load(
    encoder: CausalLMEncoder, reader: Seq2SeqEncoder, tmp_path: Path
) -> None:
    folder = _folder(small_module(encoder), tmp_path / "gpt2")
    (tmp_path / "gpt2" / "pytorch_model.bin").unlink()
    with pytest.raises(UserError, match=r"gpt2은\(는\) 인코더-디코더 모델\(BART\)이 아닙니다"):
        small_bart(reader, from_scratch=False, pretrained=folder)


def test_a_length_beyond_the_positions_is_refused(tiny_tokenizer: Tokenizer) -> None:
    with pytest.raises(UserError, match=r"data\.max_length=65.*64 토큰"):
        small_bart(Seq2SeqEncoder(tiny_tokenizer, max_length=65))


def test_a_bart_whose_tokenizer_keeps_nothing_free_gets_rows_for_the_markers(
    reader: Seq2SeqEncoder, tmp_path: Path
) -> None:
    source = small_bart(reader)
    folder = _folder(source, tmp_path / "bart")
    plain = (tmp_path / "bart" / "tokenizer.json").read_text(encoding="utf-8").replace("<unused", "<taken")
    other = Seq2SeqEncoder(Tokenizer.from_str(plain), max_length=64)
    assert other.added == 5
    loaded = small_bart(other, from_scratch=False, pretrained=folder)
    rows = source.network.get_input_embeddings().num_embeddings
    assert loaded.network.get_input_embeddings().num_embeddings == rows + 5
    assert torch.equal(
        loaded.network.get_input_embeddings().weight[:rows], source.network.get_input_embeddings().weight
    )
    assert loaded.evaluated(_batch(other)).nll > 0
    with pytest.raises(UserError, match="어휘"):
        small_bart(Seq2SeqEncoder(other.tokenizer, max_length=64), from_scratch=False, pretrained=folder)
