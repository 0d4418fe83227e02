import copy

import pytest
import torch

from tests.chat.conftest import QUESTIONS, engine_of, padded_rows, small_network
from yuhee import bundle
from yuhee.chat.engine import Decoding
from yuhee.chat.quantised import Int8Linear, int8_is_possible, int8_weights
from yuhee.data.dialogue import Turn
from yuhee.data.encoding.causal_lm import CausalLMEncoder


def test_weights_that_eight_bits_can_hold_are_held_exactly() -> None:
    weight = torch.randint(-127, 128, (24, 48)).float()
    weight[:, 0] = 127
    weight *= 2.0 ** torch.arange(-12, 12)[:, None]  # each row has its own scale
    states = torch.eye(48).view(3, 16, 48)
    expected = weight.T.view(3, 16, 24)
    bias = torch.arange(24.0)
    assert torch.equal(Int8Linear(weight, None)(states), expected)
    assert torch.equal(Int8Linear(weight, bias)(states), expected + bias)


@pytest.mark.parametrize("width", [16, 48, 112])
@pytest.mark.parametrize("rows", [1, 2, 5, 33])
def test_other_weights_are_off_by_less_than_half_a_step(width: int, rows: int) -> None:
    weight, states = torch.randn(37, width), torch.randn(rows, width).bfloat16().float()
    exact = states @ weight.T
    step = weight.abs().amax(1) / 127 * 1.005  # the scale has eight bits itself
    bound = states.abs().sum(1, keepdim=True) * step / 2 + exact.abs() * 2**-7 + 1e-3
    assert ((Int8Linear(weight, None)(states) - exact).abs() <= bound).all()


def test_a_row_of_zeros_stays_zero() -> None:
    assert Int8Linear(torch.zeros(3, 16), None)(torch.ones(2, 16)).tolist() == [[0.0] * 3] * 2


@pytest.mark.parametrize("family", ["gpt2", "gpt_neox"])
def test_the_twin_shares_what_is_not_quantised_and_the_original_stays_as_it_is(
    encoder: CausalLMEncoder, family: str
) -> None:
    network = small_network(family, padded_rows(encoder)).eval()
    before = copy.deepcopy(network.state_dict())
    twin = int8_weights(network)
    assert network.state_dict().keys() == before.keys()
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not any(isinstance(module, Int8Linear) for module in network.modules())
    assert twin.get_input_embeddings().weight is network.get_input_embeddings().weight
    replaced = [module for module in twin.modules() if isinstance(module, Int8Linear)]
    assert len(replaced) == 2 * 4 + 1  # four in each layer, and the projection onto the vocabulary
    assert twin.get_output_embeddings() is replaced[-1]


def test_a_width_that_the_kernel_cannot_read_is_left_alone(encoder: CausalLMEncoder) -> None:
    network = small_network("gpt2", padded_rows(encoder), n_embd=24, n_head=2).eval()
    twin = int8_weights(network)
    # only the second matrix of a feed-forward block has a width (4 × 24) that is a multiple of 16
    assert sum(isinstance(module, Int8Linear) for module in twin.modules()) == 2
    ids = torch.randint(300, (1, 8))
    torch.testing.assert_close(twin(ids).logits, network(ids).logits, atol=0.02, rtol=0.1)


def test_a_confident_model_says_the_same(trained: bundle.Model) -> None:
    assert int8_is_possible(trained.network)
    prompts = [trained.encoder.prompt([Turn("user", text)]) for text in QUESTIONS]
    decoding = Decoding(greedy=True, max_new_tokens=24)
    said = [[tuple(engine_of(name, trained).stream(p, decoding)) for p in prompts] for name in ("torch", "int8")]
    assert said[0] == said[1]
    assert len(set(said[1])) >= 20
