import warnings
from pathlib import Path

import pytest
import torch

from tests.conftest import dialogue
from yuhee import bundle
from yuhee.data.encoding.reply_example import Kind
from yuhee.evaluation.plots import save_png
from yuhee.evaluation.token_picture import LINE, seen_tokens, token_picture

TALK = dialogue("오늘 너무 힘들었어ㅠㅠ", "고생했어", "$x^2$ <b>", "응 :)")


def test_every_token_has_its_kind_and_the_probability_the_network_gives_it(small_model: bundle.Model) -> None:
    tokens = seen_tokens(small_model, TALK)
    [example] = small_model.encoder.encode([TALK])
    with torch.inference_mode():
        likely = small_model.network(torch.tensor([example.input_ids])).logits[0].softmax(-1)
    assert [token.kind for token in tokens] == [Kind(kind) for kind in example.kinds]
    assert tokens[0].probability is None
    for place, token in enumerate(tokens[1:]):
        assert token.probability == pytest.approx(float(likely[place, example.input_ids[place + 1]]), rel=1e-4)
    assert "".join(token.text for token in tokens).startswith("<usr>")


def test_the_picture_holds_every_token_inside_its_width(small_model: bundle.Model, tmp_path: Path) -> None:
    tokens = seen_tokens(small_model, TALK) * 4
    figure = token_picture(tokens)
    [axes] = figure.axes
    assert len(axes.patches) == len(tokens)
    assert all(patch.get_x() >= 0 and patch.get_x() + patch.get_width() <= LINE for patch in axes.patches)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        save_png(figure, tmp_path / "tokens.png")
    assert (tmp_path / "tokens.png").stat().st_size > 10_000
