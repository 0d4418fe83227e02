"""Scores of words, the two losses, ensembles, and generations that learn from each other."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.data.test_cloze import BERT, LABELS, WORDS
from tests.models.test_masked_lm import NETWORK
from yuhee.data.encoding.cloze import Cloze
from yuhee.data.encoding.masked_text import MaskedTextEncoder
from yuhee.models.ensemble import most_confident, together, weights
from yuhee.models.pattern_ensemble import PatternEnsemble, Plan
from yuhee.models.pattern_model import Material, PatternModel, Recipe, combined
from yuhee.models.random_network import random_network

ENCODER = MaskedTextEncoder(BERT, max_length=32)
VOCABULARY = ENCODER.special_ids()["vocab_size"]
TEXTS = [
    "오늘 너무 힘들었어ㅠㅠ",
    "고마워 유희야",
    "시험을 망쳤어",
    "라면 먹었어",
    "밥은 먹었어?",
    "안녕! 오늘 뭐 했어?",
]
MATERIAL = Material(TEXTS[:3], torch.tensor([1, 2, 0]), [[2, 20, 21, 22, 3], [2, 30, 31, 3]])
RECIPE = Recipe(steps=3, batch_size=2, lr=1e-3, weight_decay=0.01, alpha=0.3)


class _Table(nn.Module):
    """Logits that hang on the place alone: a row of the table for each."""

    device = torch.device("cpu")

    def __init__(self, table: Tensor) -> None:
        super().__init__()
        self.table = table

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Any:
        return SimpleNamespace(logits=self.table[: input_ids.shape[1]].expand(len(input_ids), -1, -1))


def _cloze(pattern: str = "{text} 한마디로 {mask}", **words: str) -> Cloze:
    return Cloze(ENCODER.tokenizer, pattern, words or WORDS, LABELS, 32)


def _network() -> Any:
    torch.manual_seed(0)
    return random_network("AutoModelForMaskedLM", {"model_type": "bert", **NETWORK}, ENCODER.special_ids())


def _weights(model: PatternModel) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.network.parameters()])


def _trained(material: Material = MATERIAL, **recipe: Any) -> Tensor:
    model = PatternModel(_network(), _cloze())
    torch.manual_seed(1)
    model.train(material, Recipe(**{**RECIPE.__dict__, **recipe}))
    return _weights(model)


def test_a_words_score_is_the_mean_log_probability_of_its_tokens_each_at_its_own_mask() -> None:
    table = torch.randn(32, VOCABULARY)
    cloze = _cloze(**{"0": "사랑", "1": "시험을 망쳤어", "2": "이별"})
    model = PatternModel(_Table(table), cloze)  # type: ignore[arg-type]
    filled = model.filled(TEXTS)
    scores = model.scores(filled, range(len(TEXTS)))
    for row, text in enumerate(TEXTS):
        start = len(ENCODER.tokenizer.encode(f"{text} 한마디로").ids) - 1
        for label, answer in enumerate(cloze.answers):
            logs = [float(table[start + k].log_softmax(-1)[token]) for k, token in enumerate(answer)]
            assert float(scores[row, label]) == pytest.approx(sum(logs) / len(logs), abs=1e-5)
    assert len(cloze.answers[1]) > 1


def test_scores_do_not_hang_on_what_else_is_in_the_batch() -> None:
    model = PatternModel(_network(), _cloze(**{"0": "사랑", "1": "시험을 망쳤어", "2": "이별"}))
    together_, alone = model.told(TEXTS), torch.cat([model.told([text]) for text in TEXTS])
    torch.testing.assert_close(together_, alone, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(together_.exp().sum(1), torch.ones(len(TEXTS)))


def test_with_words_of_one_token_the_loss_is_the_papers() -> None:
    """Cross entropy over the raw logits of the labels' words at the mask."""
    model = PatternModel(_network().eval(), _cloze())
    assert model.cloze.gaps == [1]
    filled = model.filled(TEXTS[:3])
    loss = F.cross_entropy(model.scores(filled, range(3)), MATERIAL.labels)
    plain = []
    for gap, label in zip(filled[1], MATERIAL.labels, strict=True):
        logits = model.network(input_ids=torch.tensor([gap.input_ids])).logits[0, gap.start]
        plain.append(F.cross_entropy(logits[[answer[0] for answer in model.cloze.answers]], label))
    assert loss.item() == pytest.approx(torch.stack(plain).mean().item(), abs=1e-5)


def test_alpha_is_the_weight_of_the_masked_language_model_loss() -> None:
    labels, words = torch.tensor(2.0), torch.tensor(10.0)
    assert combined(labels, words, 0.0) == 2
    assert combined(labels, words, 1.0) == 10
    assert combined(labels, words, 0.25) == 4
    others = Material(MATERIAL.texts, MATERIAL.labels, [[2, 40, 41, 42, 43, 44, 45, 3]])
    wrong = Material(MATERIAL.texts, MATERIAL.labels.flip(0), MATERIAL.unlabelled)
    assert torch.equal(_trained(alpha=0.0), _trained(others, alpha=0.0))
    assert not torch.equal(_trained(alpha=0.0), _trained(wrong, alpha=0.0))
    # PyTorch's own order of additions leaves a trace of a gradient that is multiplied by 0
    torch.testing.assert_close(_trained(alpha=1.0), _trained(wrong, alpha=1.0), atol=1e-6, rtol=1e-5)
    assert not torch.equal(_trained(alpha=1.0), _trained(others, alpha=1.0))


def test_weights_are_proportional_to_accuracy_and_equal_where_nothing_is_right() -> None:
    assert weights(torch.tensor([0.6, 0.2])).tolist() == pytest.approx([0.75, 0.25])
    assert weights(torch.zeros(4)).tolist() == [0.25] * 4


def test_an_ensemble_is_the_softmax_of_the_weighted_scores_at_a_temperature() -> None:
    scores = torch.tensor([[[2.0, 0.0]], [[0.0, 4.0]]])
    found = together(scores, torch.tensor([0.75, 0.25]), temperature=2.0)
    assert found[0].tolist() == pytest.approx((torch.tensor([1.5, 1.0]) / 2).softmax(0).tolist())
    shifted = scores + torch.tensor([5.0, -3.0])[:, None, None]  # logits and log-probabilities mean the same
    torch.testing.assert_close(together(shifted, torch.tensor([0.75, 0.25]), 2.0), found)


def test_the_surest_texts_are_taken_label_by_label() -> None:
    probabilities = torch.tensor([[0.9, 0.1], [0.6, 0.4], [0.8, 0.2], [0.3, 0.7]])
    assert most_confident(probabilities, torch.tensor([2, 2])) == [(0, 0), (2, 0), (3, 1)]


def _ensemble(**plan: Any) -> PatternEnsemble:
    values: dict[str, Any] = {"repetitions": 1, "generations": 0, "growth": 2.0, "weighting": "accuracy", "seed": 1}
    clozes = [_cloze(), _cloze("{mask} : {text}")]
    return PatternEnsemble(_network(), clozes, RECIPE, Plan(**{**values, **plan}))


def test_the_same_seed_tells_the_same_whatever_ran_before_and_moves_no_random_number() -> None:
    first = _ensemble().tell(MATERIAL, TEXTS, 2.0)
    torch.rand(7)
    state = torch.get_rng_state()
    ensemble = _ensemble()
    torch.set_rng_state(state)
    assert torch.equal(ensemble.tell(MATERIAL, TEXTS, 2.0), first)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(ensemble.tell(MATERIAL, TEXTS, 2.0), first)
    assert not torch.equal(_ensemble(seed=2).tell(MATERIAL, TEXTS, 2.0), first)
    assert first.shape == (len(TEXTS), 3)


def test_a_generation_learns_from_what_the_other_patterns_are_surest_of(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, Material]] = []

    def told(self: PatternModel, texts: list[str]) -> Tensor:
        sure = {"{text} 한마디로 {mask}": 0, "{mask} : {text}": 1}[self.cloze.pattern]
        confidence = torch.arange(len(texts), 0, -1)
        scores = torch.zeros(len(texts), 3)
        scores[:, sure] = confidence
        return scores

    monkeypatch.setattr(PatternModel, "told", told)
    monkeypatch.setattr(PatternModel, "train", lambda self, material, _: seen.append((self.cloze.pattern, material)))
    _ensemble(generations=1, growth=3.0, weighting="uniform").tell(MATERIAL, TEXTS, 1.0)
    assert [len(material.texts) for _, material in seen] == [3, 3, 5, 5]
    (_, first), (_, second) = seen[2:]
    assert list(first.texts) == list(second.texts) == TEXTS[:5]  # two new ones for the one label that is told
    assert first.labels.tolist() == [1, 2, 0, 1, 1]
    assert second.labels.tolist() == [1, 2, 0, 0, 0]
