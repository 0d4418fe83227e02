"""The training loss, which makes its own gradients, against the plain one."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from yuhee.models import losses
from yuhee.models.losses import next_token_nll, weighted_nll

WIDTH, VOCABULARY = 24, 301


def _case(bias: bool = False) -> tuple[Tensor, Tensor, Tensor, torch.nn.Linear]:
    """States, labels of which 70 are scored, their weights, and a projection."""
    torch.manual_seed(0)
    labels = torch.full((5, 30), -100)
    places = torch.randperm(5 * 29)[:70]
    labels[:, 1:] = labels[:, 1:].flatten().scatter(0, places, torch.randint(VOCABULARY, (70,))).view(5, 29)
    projection = torch.nn.Linear(WIDTH, VOCABULARY, bias=bias)
    return torch.randn(5, 30, WIDTH, requires_grad=True), labels, torch.rand(70), projection


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("chunk", [32, 2048])
def test_loss_and_gradients_are_those_of_full_logits(chunk: int, bias: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(losses, "CHUNK", chunk)
    hidden, labels, weights, projection = _case(bias)
    logits = projection(hidden)[:, :-1].transpose(1, 2)
    plain = F.cross_entropy(logits, labels[:, 1:], reduction="none")[labels[:, 1:] != -100]
    expected = torch.autograd.grad((plain * weights).sum() * 0.25, [hidden, *projection.parameters()])
    loss, nll = weighted_nll(hidden, labels, weights, projection.weight, projection.bias)
    actual = torch.autograd.grad(loss * 0.25, [hidden, *projection.parameters()])
    assert loss.item() == pytest.approx((plain * weights).sum().item(), rel=1e-6)
    torch.testing.assert_close(nll, plain)
    torch.testing.assert_close(next_token_nll(hidden, labels, projection), plain)
    for ours, reference in zip(actual, expected, strict=True):
        torch.testing.assert_close(ours, reference, atol=1e-6, rtol=1e-5)


def test_a_token_as_good_as_impossible_has_a_finite_loss() -> None:
    """exp(−200) is 0 in float32."""
    hidden, labels = torch.zeros(1, 2, 2), torch.tensor([[-100, 1]])
    hidden[0, 0, 0] = 1.0
    projection = torch.tensor([[200.0, 0.0], [0.0, 0.0]], requires_grad=True)
    loss, _ = weighted_nll(hidden, labels, torch.ones(1), projection)
    loss.backward()
    assert loss.item() == pytest.approx(200.0)
    torch.testing.assert_close(projection.grad, torch.tensor([[1.0, 0.0], [-1.0, 0.0]]))


def test_nothing_to_learn_is_a_loss_of_zero() -> None:
    hidden, _, _, projection = _case()
    loss, nll = weighted_nll(hidden, torch.full((5, 30), -100), torch.ones(0), projection.weight)
    loss.backward()
    assert (loss.item(), len(nll)) == (0.0, 0)
    assert not hidden.grad.any()
