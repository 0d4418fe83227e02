"""Pictures that show Hangul: figures without global state, as SVG for pages and PNG for everything else."""

import io
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, findSystemFonts, fontManager, get_font
from matplotlib.text import Text

MODEL, REFERENCE, OTHER = "#4c78a8", "#e45756", "#72b7b2"
GREY = "#888888"  # lines that can be seen on white and on black
SIZE = (4.6, 2.9)  # inches: text stays readable when a phone shows it at 340 px
NO_GLYPH = "□"
# fonts with Hangul as Windows, macOS and the Linux distributions ship them
KOREAN_FONTS = (
    "Pretendard",
    "Noto Sans KR",
    "Noto Sans CJK KR",
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "Noto Sans CJK TC",
    "Source Han Sans KR",
    "Source Han Sans K",
    "NanumGothic",
    "NanumBarunGothic",
    "NanumSquare",
    "Malgun Gothic",
    "Apple SD Gothic Neo",
    "AppleGothic",
    "UnDotum",
    "Baekmuk Dotum",
    "Gulim",
    "Dotum",
    "Noto Serif CJK KR",
    "Noto Serif CJK JP",
    "NanumMyeongjo",
    "Batang",
)
ENGLISH = {
    "파라미터 수": "parameters",
    "배운 토큰": "training tokens",
    "걸린 시간 (초)": "wall time (seconds)",
    "중요도 (분산에서 차지하는 몫, %)": "importance (share of variance, %)",
    "(없음)": "(none)",
    "모델이 읽은 감정": "label the model told",
    "말뭉치의 표지": "label of the corpus",
    "확신 (가장 큰 확률)": "confidence (largest probability)",
    "맞힌 몫": "share of hits",
}


@lru_cache(maxsize=1)
def korean_font() -> str | None:
    """The first of `KOREAN_FONTS` on this machine that can draw Hangul, None where there is none."""
    if (found := _known_korean_font()) is None:
        _learn_new_fonts()
        found = _known_korean_font()
    return found


def _known_korean_font() -> str | None:
    installed = {font.name for font in fontManager.ttflist}
    for name in KOREAN_FONTS:
        if name in installed and get_font(findfont(FontProperties(family=name))).get_char_index(ord("가")):
            return name
    return None


def _learn_new_fonts() -> None:
    """Fonts that were installed after matplotlib wrote its list, which it never looks through again."""
    known = {font.fname for font in fontManager.ttflist}
    for file in sorted(set(findSystemFonts()) - known):
        with suppress(OSError, RuntimeError, ValueError):  # a file that FreeType cannot read
            fontManager.addfont(file)


@contextmanager
def style() -> Iterator[None]:
    """Matplotlib's settings for our figures, for as long as one is built or saved."""
    font = korean_font()
    with mpl.rc_context(
        {
            "font.family": [font, "DejaVu Sans"] if font else ["DejaVu Sans"],
            "font.size": 9,
            "axes.unicode_minus": False,
            "axes.edgecolor": GREY,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.axisbelow": True,
            "axes.titlesize": 10,
            "grid.color": "#88888840",
            "xtick.color": GREY,
            "ytick.color": GREY,
            "xtick.labelcolor": "black",
            "ytick.labelcolor": "black",
            "legend.frameon": False,
            "svg.fonttype": "none",  # text stays text: the reader's own fonts draw it
            "svg.hashsalt": "yuhee",  # the same figure gives the same file
            "text.parse_math": False,  # a $ in a name is no formula
        }
    ):
        yield


def svg(figure: Figure) -> Markup:
    """A figure as an inline `<svg>` that takes its text colour and fonts from the page around it."""
    buffer = io.StringIO()
    with style(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph", UserWarning)  # the reader's fonts draw it
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    drawing = buffer.getvalue()
    drawing = drawing[drawing.index("<svg") :]
    drawing = re.sub(r"<metadata>.*?</metadata>", "", drawing, flags=re.DOTALL)
    return Markup(re.sub(r'<g id="[^"]*">', "<g>", drawing))  # noqa: S704 # matplotlib escapes texts; ids would clash


def save_png(figure: Figure, path: Path) -> None:
    """A figure as a file in which every character has a glyph."""
    with style():
        legible(figure).savefig(path, dpi=150, facecolor="white", bbox_inches="tight")


def legible(figure: Figure) -> Figure:
    """The figure with texts that this machine's fonts can draw.

    Without a Korean font our own labels turn English; whatever else has no glyph (an emoji in a name) becomes □.
    """
    with style():
        fonts = [get_font(findfont(FontProperties(family=[family]))) for family in mpl.rcParams["font.family"]]
    for text in figure.findobj(lambda artist: isinstance(artist, Text)):
        said = text.get_text()  # type: ignore[attr-defined]
        translated = said if korean_font() else ENGLISH.get(said, said)
        drawn = (c if c == "\n" or any(font.get_char_index(ord(c)) for font in fonts) else NO_GLYPH for c in translated)
        if (legible_text := "".join(drawn)) != said:  # setting tick labels anew would freeze them
            text.set_text(legible_text)  # type: ignore[attr-defined]
    return figure


def learning_curves(curves: pd.DataFrame) -> dict[str, Figure]:
    """By title: bits per character (loss, where a run has none) of train and val, learning rate, throughput.

    Args:
        curves: the rows of `metrics.csv`; `step` counts optimizer steps.
    """
    if "step" not in curves:
        return {}
    kind, title = ("loss", "손실") if "train/bpc" not in curves else ("bpc", "글자당 비트")
    wanted = {
        f"{title} (train · val)": {f"train/{kind}": "train", f"val/{kind}": "val"},
        "학습률": {"train/lr": ""},
        "초당 토큰": {"train/tokens_per_second": ""},
    }
    return {
        title: _curve(curves, present)
        for title, lines in wanted.items()
        if (present := {name: label for name, label in lines.items() if name in curves and curves[name].notna().any()})
    }


def _curve(curves: pd.DataFrame, lines: dict[str, str]) -> Figure:
    with style():
        figure, axes = _axes()
        for (name, label), colour in zip(lines.items(), (MODEL, REFERENCE), strict=False):
            rows = curves[["step", name]].dropna()
            marker = "o" if name.startswith("val/") or len(rows) == 1 else None
            axes.plot(rows["step"], rows[name], color=colour, marker=marker, markersize=3, label=label)
        axes.set_xlabel("스텝")
        if len(lines) > 1:
            axes.legend()
        if "train/lr" not in lines:
            _leave_out_the_start(axes, curves, list(lines))
        return figure


def _leave_out_the_start(axes: Axes, curves: pd.DataFrame, names: Sequence[str]) -> None:
    """The first steps of a training are so far up that they flatten what matters; two of a hundred go off the top."""
    values = curves[list(names)].to_numpy().ravel()
    values = values[np.isfinite(values)]
    low, high = values.min(), np.quantile(values, 0.98)
    if high > low:
        axes.set_ylim(low - 0.05 * (high - low), high + 0.08 * (high - low))


def distributions(values: Mapping[str, Sequence[float]], unit: str, *, whole: bool = False) -> Figure | None:
    """Shares of replies per bin, one outline for each named set; the last bin holds all that is beyond it.

    Args:
        values: label → one value for each reply.
        unit: label of the axis.
        whole: values are whole numbers, and bins should be.

    Returns:
        None if there is nothing to draw.
    """
    numbers = {name: array[np.isfinite(array)] for name, v in values.items() for array in [np.asarray(v, dtype=float)]}
    numbers = {name: array for name, array in numbers.items() if len(array)}
    if not numbers:
        return None
    together = np.concatenate(list(numbers.values()))
    last = float(np.quantile(together, 0.995))
    step = max(1, round(last / 30)) if whole else max(last, 1e-9) / 30
    edges = np.arange(0, last + 2 * step, step) - (0.5 if whole else 0)
    with style():
        figure, axes = _axes()
        for (name, array), colour in zip(numbers.items(), (MODEL, REFERENCE, OTHER), strict=False):
            counts, _ = np.histogram(np.clip(array, edges[0], edges[-1] - 1e-9), edges)
            axes.stairs(100 * counts / len(array), edges, color=colour, label=name, linewidth=1.4)
            axes.stairs(100 * counts / len(array), edges, color=colour, fill=True, alpha=0.15)
        axes.set_xlim(left=edges[0])
        axes.set_xlabel(unit)
        axes.set_ylabel("답의 몫 (%)")
        axes.legend()
        return figure


def _axes(size: tuple[float, float] = SIZE) -> tuple[Figure, Axes]:
    figure = Figure(figsize=size, layout="constrained")
    return figure, figure.add_subplot()
