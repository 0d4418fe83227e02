from typing import Any

import numpy as np
import pytest
import torch

from tests.chat.conftest import QUESTIONS, engine_of, padded_rows, small_network, wanting
from yuhee import bundle
from yuhee.chat import conversion
from yuhee.chat.ctranslate import CTranslateEngine
from yuhee.chat.engine import Decoding, Engine, forbidden_tokens
from yuhee.data.dialogue import Turn
from yuhee.data.encoding.causal_lm import CausalLMEncoder

CONTROLS = ({}, {"repetition_penalty": 1.0, "no_repeat_ngram": 1000}, {"repetition_penalty": 1.7, "no_repeat_ngram": 2})


@pytest.mark.parametrize("control", CONTROLS)
def test_greedy_replies_in_full_precision_are_those_of_pytorch(trained: bundle.Model, control: dict[str, Any]) -> None:
    decoding = Decoding(greedy=True, max_new_tokens=24, **control)
    ours, theirs = engine_of("ctranslate2", trained), engine_of("torch", trained)
    texts = [*QUESTIONS, *(f"{text} {QUESTIONS[-1 - place]}" for place, text in enumerate(QUESTIONS))]
    prompts = [trained.encoder.prompt([Turn("user", text)]) for text in texts]
    replies = [tuple(ours.stream(prompt, decoding)) for prompt in prompts]
    assert replies == [tuple(theirs.stream(prompt, decoding)) for prompt in prompts]
    assert len(set(replies[: len(QUESTIONS)])) >= 20
    assert len(set(map(len, replies))) > 1  # some end by themselves


@pytest.mark.parametrize(
    ("family", "values"),
    [
        ("gpt2", {}),
        ("gpt2", {"layer_norm_epsilon": 0.1, "activation_function": "relu"}),
        ("gpt2", {"tie_word_embeddings": False, "activation_function": "gelu"}),
        ("gpt_neox", {}),
        ("gpt_neox", {"use_parallel_residual": True, "tie_word_embeddings": False}),
        ("gpt_neox", {"layer_norm_eps": 0.1, "hidden_act": "gelu_new"}),
        ("gpt_neox", {"rotary_pct": 0.5, "rotary_emb_base": 100}),
    ],
)
def test_scores_are_those_of_the_network(encoder: CausalLMEncoder, family: str, values: dict[str, Any]) -> None:
    rows = padded_rows(encoder)
    network = small_network(family, rows, **values).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    ids = torch.randint(rows, (1, 60))
    generator = conversion.generator(bundle.Model(network, encoder, {}), None, "float32")
    theirs = torch.from_numpy(np.array(generator.forward_batch(ids.tolist())))
    ours = network(ids).logits.detach()
    banned = forbidden_tokens(rows, encoder)[0]
    assert theirs[..., banned].isneginf().all()
    torch.testing.assert_close(theirs[..., ~banned], ours[..., ~banned], atol=2e-3, rtol=1e-4)


@pytest.mark.parametrize(
    ("family", "values"),
    [
        ("gpt2", {"scale_attn_by_inverse_layer_idx": True}),
        ("gpt2", {"scale_attn_weights": False}),
        ("gpt2", {"activation_function": "tanh"}),
        ("gpt_neox", {"attention_bias": False}),
        ("gpt_neox", {"rope_scaling": {"rope_type": "linear", "factor": 2.0}}),
    ],
)
def test_what_cannot_be_expressed_is_not_converted(
    encoder: CausalLMEncoder, family: str, values: dict[str, Any]
) -> None:
    model = bundle.Model(small_network(family, padded_rows(encoder), **values), encoder, {})
    with pytest.raises(conversion.UnsupportedNetworkError, match=family):
        conversion.generator(model, None)


def test_a_seeded_reply_is_the_one_of_pytorch(trained: bundle.Model) -> None:
    prompt = trained.encoder.prompt([Turn("user", "나는 사")])
    decoding = Decoding(temperature=3.0, top_p=1.0, max_new_tokens=20)
    both = [list(engine_of(name, trained).stream(prompt, decoding, 7)) for name in ("ctranslate2", "torch")]
    assert both[0] == both[1]


class Endless:
    """A generator that never stops by itself, and shows what it was asked."""

    def generate_tokens(self, prompt: list[str], **options: Any) -> Any:
        self.options = options
        while True:
            yield type("Step", (), {"token_id": 310})


@pytest.mark.parametrize("interrupt", [None, KeyboardInterrupt])
def test_who_stops_listening_stops_the_generation(encoder: CausalLMEncoder, interrupt: Any) -> None:
    model, endless = wanting(encoder, {}), Endless()
    engine = CTranslateEngine(endless, Engine(model.network, encoder), encoder.end_id, encoder.newline_id)
    reply = engine.stream([300], Decoding())
    assert next(reply) == 310
    assert not endless.options["callback"](None)
    if interrupt:
        with pytest.raises(interrupt):
            reply.throw(interrupt)  # type: ignore[attr-defined]
    else:
        reply.close()  # type: ignore[attr-defined]
    assert endless.options["callback"](None)
