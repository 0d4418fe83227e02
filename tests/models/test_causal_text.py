"""Causal pre-training on plain text, and the chat that starts from it."""

import itertools
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer
from typer.testing import CliRunner

from tests.conftest import TEXTS, dialogue
from tests.training.sweep_corpus import SMALL, write_corpus
from yuhee import cli
from yuhee.data.dialogue import Dialogue, Turn
from yuhee.data.encoding.causal_text import CausalTextEncoder
from yuhee.data.encoding.reply_example import Kind
from yuhee.training import compose_config, parse_config, train
from yuhee.training.summary import print_summary

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.parametrize("max_length", [8, 13, 400])
def test_every_token_is_learned_once_behind_the_one_before(tiny_tokenizer: Tokenizer, max_length: int) -> None:
    encoder = CausalTextEncoder(tiny_tokenizer, max_length=max_length, emotion="none")

    @given(st.lists(st.sampled_from([*TEXTS, "<usr>", "가<0x41>\n나"]), min_size=1, max_size=6))
    def check(texts: list[str]) -> None:
        talk = Dialogue("d", tuple(Turn("assistant" if n % 2 else "user", text) for n, text in enumerate(texts)))
        pieces = encoder.encode([talk])
        assert all(len(piece.input_ids) <= max_length for piece in pieces)
        learned = [token for piece in pieces for token in piece.labels if token != -100]
        assert learned == [id_ for turn in talk.turns for id_ in [*encoder.turn_ids(_as_reply(turn))[1:]]]
        assert all(after.input_ids[0] == before.input_ids[-1] for before, after in itertools.pairwise(pieces))
        assert all(piece.kinds[0] == Kind.UNLEARNED for piece in pieces)
        assert pieces[0].input_ids[0] == encoder.end_id
        assert sum(piece.characters for piece in pieces) == sum(len(turn.text) + 1 for turn in talk.turns)

    check()


def _as_reply(turn: Turn) -> Turn:
    return Turn("assistant", turn.text)


def test_the_line_between_texts_keeps_dialogues_apart(tiny_tokenizer: Tokenizer) -> None:
    encoder = CausalTextEncoder(tiny_tokenizer, max_length=64, emotion="none")
    one, two = dialogue(*TEXTS[:2], name="a"), dialogue(*TEXTS[2:4], name="b")
    assert [each.id for each in encoder.encode([one, two])] == ["a", "b"]
    assert encoder.encode([one, two]) == encoder.encode([one]) + encoder.encode([two])


def test_a_chat_starts_from_the_bundle(capsys: pytest.CaptureFixture[str]) -> None:
    write_corpus(Path())
    small = [value for value in SMALL if "model.network" not in value and "vocab_size" not in value]
    first = compose_config(["experiment=pretrain_clm", *SMALL, "data.epochs=1"])
    print_summary(train(parse_config(first), Path("first")))
    assert "model=tiny model.from_scratch=false model.pretrained=first/bundle" in capsys.readouterr().out
    assert json.loads(Path("first/metrics.json").read_text())["test/bpc"] > 0
    start = ("model=tiny", "model.from_scratch=false", "model.pretrained=first/bundle")
    train(parse_config(compose_config([*start, *small, "trainer.max_steps=2"])), Path("second"))
    facts = json.loads(Path("second/bundle/config.json").read_text())
    assert facts["hidden_size"] == 32  # the checkpoint's, not the configuration's
    assert Path("first/bundle/tokenizer.json").read_bytes() == Path("second/bundle/tokenizer.json").read_bytes()
    assert "model.pretrained" in str(CliRunner().invoke(cli.app, ["chat", "first"]).exception)
