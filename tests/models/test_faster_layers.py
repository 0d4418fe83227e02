"""Layers put in place of others do what those did."""

import torch
from transformers.activations import NewGELUActivation

from yuhee.models.faster_layers import Dropout, use_faster_layers


def test_dropout_drops_its_share_and_keeps_the_mean() -> None:
    states = torch.ones(1000, 301, requires_grad=True)
    torch.manual_seed(1)
    dropped = Dropout(0.1)(states)
    kept = dropped != 0
    assert abs(kept.float().mean().item() - 0.9) < 0.002
    assert abs(kept[:, -1].float().mean().item() - 0.9) < 0.04
    torch.testing.assert_close(dropped[kept], torch.full_like(dropped[kept], 1 / 0.9), atol=1e-4, rtol=0)
    dropped.sum().backward()
    assert torch.equal(states.grad, dropped.detach())
    torch.manual_seed(1)
    assert torch.equal(Dropout(0.1)(states), dropped)
    assert not torch.equal(Dropout(0.1)(states), dropped)


def test_dropout_keeps_dtype_and_does_nothing_in_evaluation() -> None:
    states = torch.randn(3, 5, dtype=torch.bfloat16)
    assert Dropout(0.5)(states).dtype == torch.bfloat16
    assert torch.equal(Dropout(0.5).eval()(states), states)
    assert torch.equal(Dropout(0.0)(states), states)
    assert not Dropout(1.0)(states).any()


def test_replaced_layers_compute_the_same() -> None:
    network = torch.nn.Sequential(torch.nn.Sequential(NewGELUActivation()), torch.nn.Dropout(0.3))
    states = torch.linspace(-6, 6, 1001)
    expected = network.eval()(states)
    use_faster_layers(network)
    torch.testing.assert_close(network(states), expected, atol=1e-6, rtol=1e-5)
    assert isinstance(network[1], Dropout)
    assert network[1].p == 0.3
    assert not isinstance(network[0][0], NewGELUActivation)
    assert not network[1].training
