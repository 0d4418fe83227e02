"""BART's noise, the texts it is put on, and the chat that starts from the bundle."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from tests.conftest import BART, FACTS, dialogue
from tests.evaluation.conftest import write_corpus
from tests.test_kobart import SMALL
from yuhee import bundle
from yuhee.chat.companion import load
from yuhee.data.dialogue import Dialogue, Turn
from yuhee.data.encoding.denoising import DenoisingEncoder
from yuhee.errors import UserError
from yuhee.models.denoising import Denoising, DenoisingConfig
from yuhee.models.text_noise import TextNoise
from yuhee.training import compose_config, parse_config, train

MASK, LINE = 6, 9
TALK = dialogue("안녕! 오늘 뭐 했어?", "밥 먹었어\n라면 먹었어 :)", "고마워 유희야 ^^", "응")


@pytest.fixture
def encoder(tiny_tokenizer: Tokenizer) -> DenoisingEncoder:
    return DenoisingEncoder(tiny_tokenizer, max_length=64)


def small(encoder: DenoisingEncoder, **config: object) -> Denoising:
    values = {"_target_": "yuhee.models.denoising.Denoising", "from_scratch": True, "vocab_size": 600, "lr": 1e-3}
    torch.manual_seed(0)
    return Denoising.create(DenoisingConfig(**{**values, "network": BART, **config}), encoder, dict(FACTS))


@given(st.integers(1, 80), st.integers(0, 2**32), st.floats(0.05, 0.49), st.floats(0.1, 8))
def test_infilling_hides_its_share_and_nothing_else(length: int, seed: int, share: float, span: float) -> None:
    ids = list(range(100, 100 + length))
    left = TextNoise(MASK, LINE, share, span).infilled(ids, np.random.default_rng(seed))
    kept = [token for token in left if token != MASK]
    assert len(ids) - len(kept) == np.ceil(share * length)
    assert kept == sorted(kept)
    assert len(left) <= length
    assert all(pair != (MASK, MASK) for pair in itertools.pairwise(left))
    before = [100 + length if token == MASK else token for token in left]
    assert before.count(100 + length) >= 1


def test_spans_are_poisson_and_lie_anywhere() -> None:
    noise, ids = TextNoise(MASK, LINE, 0.3, 3.0), list(range(100, 1100))
    lengths: list[int] = []
    hidden = np.zeros(1000)
    for seed in range(60):
        left = noise.infilled(ids, np.random.default_rng(seed))
        kept = [99, *(token for token in left if token != MASK), 1100]
        hidden[[token - 100 for token in set(ids) - set(kept)]] += 1
        places = [place for place, token in enumerate(left) if token == MASK]
        around = [99, *left, 1100]
        lengths += [around[place + 2] - around[place] - 1 for place in places]
    assert np.mean(lengths) == pytest.approx(3.0, abs=0.15)
    assert np.mean(np.array(lengths) == 0) == pytest.approx(np.exp(-3), abs=0.02)
    assert hidden[:500].mean() == pytest.approx(hidden[500:].mean(), rel=0.05)


def test_lines_change_places_whole() -> None:
    noise = TextNoise(MASK, LINE)
    ids = [1, 2, LINE, 3, LINE, 4, 5, 7]
    seen = {tuple(noise.permuted(ids, np.random.default_rng(seed))) for seed in range(60)}
    assert len(seen) == 6
    for mixed in seen:
        lines = "|".join(map(str, mixed)).split(f"|{LINE}|")
        assert sorted(lines) == ["1|2", "3", "4|5|7"]
    assert noise.permuted([1, 2, 3], np.random.default_rng(0)) == [1, 2, 3]


def test_a_dialogue_is_a_text_of_lines(encoder: DenoisingEncoder) -> None:
    [example] = encoder.encode([TALK])
    assert encoder.decode(example.input_ids) == "\n".join(turn.text for turn in TALK.turns)
    assert (example.characters, example.lost) == (sum(len(turn.text) + 1 for turn in TALK.turns), 0)
    [forged] = encoder.encode([Dialogue("d", (Turn("user", "<mask> </s>"),))])
    assert not encoder.control_ids & set(forged.input_ids)


@given(st.lists(st.sampled_from(["안녕", "오늘 뭐 했어", "라면 " * 30]), min_size=1, max_size=12))
def test_a_long_dialogue_goes_on_in_further_pieces(encoder: DenoisingEncoder, texts: list[str]) -> None:
    short = DenoisingEncoder(encoder.tokenizer, max_length=16)
    [whole] = DenoisingEncoder(encoder.tokenizer, max_length=100_000).encode([dialogue(*texts)])
    pieces = short.encode([dialogue(*texts)])
    words = [token for piece in pieces for token in piece.input_ids if token != encoder.newline_id]
    assert words == [token for token in whole.input_ids if token != encoder.newline_id]
    assert all(0 < len(piece.input_ids) <= 14 for piece in pieces)
    assert sum(piece.characters for piece in pieces) == whole.characters


def test_a_batch_asks_for_the_text_behind_the_noise(encoder: DenoisingEncoder) -> None:
    module = small(encoder)
    [example] = encoder.encode([TALK])
    batch = module._noised(encoder.collate()([example]), [3])
    noised = module.noise(example.input_ids, np.random.default_rng(3))
    assert batch["input_ids"][0].tolist() == [encoder.markers["<s>"], *noised, encoder.end_id]
    assert batch["labels"][0].tolist() == [-100, *example.input_ids, encoder.end_id]
    assert batch["decoder_input_ids"][0].tolist() == [encoder.end_id, *example.input_ids, encoder.end_id]


def test_training_draws_anew_and_evaluation_does_not(encoder: DenoisingEncoder) -> None:
    module = small(encoder).eval()
    batch = encoder.collate()(encoder.encode([TALK, dialogue("안녕", "고마워 유희야", name="d:2")]))
    first, second = (module.objective(batch).value for _ in range(2))
    assert first != second
    torch.manual_seed(5)
    third = module.objective(batch).value
    torch.manual_seed(5)
    assert module.objective(batch).value == third
    alone = sum(
        module.evaluated(encoder.collate()(encoder.encode([talk]))).nll
        for talk in (TALK, dialogue("안녕", "고마워 유희야"))
    )
    assert module.evaluated(batch).nll == pytest.approx(alone, rel=1e-5)


def test_a_tokenizer_without_a_mask_is_refused(tiny_tokenizer: Tokenizer) -> None:
    without = Tokenizer.from_str(tiny_tokenizer.to_str().replace("<mask>", "<hide>"))
    with pytest.raises(UserError, match="<mask>"):
        DenoisingEncoder(without, max_length=64)


def test_kobart_starts_from_the_bundle(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_corpus(Path("corpus.jsonl"))
    small = [value for value in SMALL if value != "model=kobart"]
    first = train(parse_config(compose_config(["experiment=pretrain_denoising", *small])), tmp_path / "first")
    assert json.loads((first.folder / "metrics.json").read_text())["val/bpc"] > 0
    assert "train.py model=kobart model.pretrained=" in (first.bundle / "README.md").read_text(encoding="utf-8")
    start = ["model=kobart", f"model.pretrained={first.bundle}", *small, "model.from_scratch=false", "model.lr=1e-9"]
    second = train(parse_config(compose_config(start)), tmp_path / "second")
    before, after = (bundle.load(result.bundle) for result in (first, second))
    for name, weight in before.network.state_dict().items():
        torch.testing.assert_close(after.network.state_dict()[name], weight, atol=1e-6, rtol=1e-4)
    assert after.encoder.vocabulary == before.encoder.vocabulary
    with pytest.raises(UserError, match=r"model\.pretrained"):
        load(first.bundle)
