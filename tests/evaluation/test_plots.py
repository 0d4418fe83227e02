"""Pictures with Hangul: every character has a glyph, and no text becomes a formula or markup."""

import io
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from yuhee.evaluation import plots
from yuhee.evaluation.plots import ENGLISH, distributions, korean_font, learning_curves, legible, save_png, style, svg


@pytest.fixture(params=["a Korean font", "no Korean font"])
def font(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str | None]:
    """With the machine's Korean font, and as on a machine without."""
    korean_font.cache_clear()
    if request.param == "no Korean font":
        monkeypatch.setattr(plots, "KOREAN_FONTS", ("Nothing Gothic",))
    elif korean_font() is None:
        pytest.skip("this machine has no Korean font")
    yield korean_font()
    korean_font.cache_clear()


def test_a_font_that_was_installed_after_matplotlib_looked_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    if (known := korean_font()) is None:
        pytest.skip("this machine has no Korean font")
    listed = plots.fontManager.ttflist
    korean_font.cache_clear()
    monkeypatch.setattr(plots.fontManager, "ttflist", [font for font in listed if "CJK" not in font.name][:1])
    try:
        assert korean_font() in plots.KOREAN_FONTS
    finally:
        korean_font.cache_clear()
    assert known


def figure_saying(*texts: str) -> Figure:
    with style():
        figure = Figure(figsize=(3, 2), layout="constrained")
        axes = figure.add_subplot()
        axes.set_xlabel(texts[0])
        for place, text in enumerate(texts[1:]):
            axes.text(0.1, 0.1 * place, text)
        return figure


def said(figure: Figure) -> set[str]:
    return {text.get_text() for text in figure.findobj(lambda artist: isinstance(artist, Text))}


def test_no_glyph_is_missing_in_a_png(font: str | None, tmp_path: Path) -> None:
    figure = figure_saying("파라미터 수", "내 말뭉치", "🦊 𓀀 \x07", "$\\frac{1}", "−1")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns: Glyph … missing
        save_png(figure, tmp_path / "x.png")
    texts = said(figure)
    if font:
        assert {"파라미터 수", "내 말뭉치"} <= texts
    else:
        assert {"parameters", "□ □□□"} <= texts
    assert "$\\frac{1}" in texts  # no formula
    assert "−1" in texts
    assert "🦊 𓀀 \x07" not in texts
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")


def test_the_check_can_fail() -> None:
    figure = figure_saying("🦊𓀀")
    with style(), pytest.warns(UserWarning, match="Glyph"):
        figure.savefig(io.BytesIO(), format="png")


def test_every_label_of_a_png_has_an_english_twin() -> None:
    assert all(name.isascii() for name in ENGLISH.values())
    source = (Path(plots.__file__).parent / "compare_plots.py").read_text(encoding="utf-8")
    labels = [line.split('"')[1::2] for line in source.splitlines() if "set_xlabel" in line or "SCALES = " in line]
    korean = {text for texts in labels for text in texts if not text.isascii()}
    assert korean <= set(ENGLISH)
    assert len(korean) == 4


def test_an_svg_keeps_its_text_for_the_readers_fonts(font: str | None) -> None:
    figure = figure_saying("스텝 <b>&", "내 말뭉치")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawing = svg(figure)
    assert drawing.startswith("<svg")
    assert "스텝 &lt;b&gt;&amp;" in drawing
    assert "내 말뭉치" in drawing
    assert '<g id="' not in drawing  # several on a page must not share names
    assert drawing == svg(figure_saying("스텝 <b>&", "내 말뭉치"))


def test_learning_curves_take_what_is_there() -> None:
    rows = pd.DataFrame(
        {
            "step": [10, 20, 30],
            "train/bpc": [5.0, 4.0, np.nan],
            "val/bpc": [np.nan, 4.5, np.nan],
            "train/lr": [0.1, 0.2, 0.1],
            "train/tokens_per_second": [np.nan] * 3,
        }
    )
    curves = learning_curves(rows)
    assert list(curves) == ["글자당 비트 (train · val)", "학습률"]
    lines = {line.get_label(): line.get_xydata().tolist() for line in curves["글자당 비트 (train · val)"].axes[0].lines}
    assert lines == {"train": [[10, 5.0], [20, 4.0]], "val": [[20, 4.5]]}
    assert list(learning_curves(rows[["step", "train/lr"]].assign(**{"train/loss": 1.0}))) == [
        "손실 (train · val)",
        "학습률",
    ]
    assert learning_curves(pd.DataFrame()) == {}


def test_distributions_are_shares_and_lose_nobody() -> None:
    figure = distributions({"모델": [1, 2, 2, 500], "참조": [3.0], "없음": [float("nan")]}, "글자", whole=True)
    assert figure is not None
    outlines = {patch.get_label(): patch.get_data().values for patch in figure.axes[0].patches}
    assert {label: values.sum() for label, values in outlines.items() if label} == {
        "모델": pytest.approx(100),
        "참조": pytest.approx(100),
    }
    assert distributions({"모델": []}, "글자") is None


def test_legible_leaves_tick_labels_alone() -> None:
    figure = figure_saying("x")
    legible(figure)
    figure.axes[0].set_xlim(0, 1000)
    figure.draw_without_rendering()
    assert "1000" in {label.get_text() for label in figure.axes[0].get_xticklabels()}
