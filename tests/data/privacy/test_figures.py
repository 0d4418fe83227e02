"""The figures that docs/privacy.md states, measured on the planted corpus."""

from pathlib import Path

import pytest

from yuhee.data.privacy import figures as module
from yuhee.data.privacy.figures import Figures, is_found, measure
from yuhee.data.privacy.masker import Change

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures" / "privacy"
DOCS = Path(__file__).resolve().parents[3] / "docs" / "privacy.md"


@pytest.fixture(scope="module")
def figures() -> Figures:
    return measure(FIXTURES)


def test_recall_of_numbers(figures: Figures) -> None:
    assert figures.recall(*figures.numbers) >= 0.99
    assert sum(figures.planted[kind] for kind in figures.numbers) == 422


@pytest.mark.parametrize("kind", ["name", "address", "email", "url_token"])
def test_recall_of_the_rest(figures: Figures, kind: str) -> None:
    assert figures.recall(kind) >= 0.97


def test_ordinary_text_is_left_alone(figures: Figures) -> None:
    assert len(figures.clean_changed) / figures.clean < 0.005
    assert figures.words_changed <= 0.05 * figures.words
    assert (figures.clean, figures.words) == (2220, 64)


def test_the_table_is_the_one_in_the_docs(figures: Figures, capsys: pytest.CaptureFixture[str]) -> None:
    module.main(str(FIXTURES))
    printed = capsys.readouterr().out
    text = DOCS.read_text(encoding="utf-8")
    for kind in figures.planted:
        row = f"| {kind} | {figures.planted[kind]} | {figures.found[kind]} | {figures.recall(kind):.1%} |"
        assert row in text
        assert kind in printed
    for line in printed.splitlines():
        if line.startswith(("ordinary", "names as", "lines with")):
            assert line in text


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (Change(0, 13, "phone", "010-0000-0001"), True),
        (Change(0, 12, "phone", "010-0000-0001"), False),
        (Change(0, 13, "phone", "01019485021"), False),
        (Change(0, 20, "phone", "…"), True),
    ],
)
def test_a_span_is_found_if_it_is_covered_and_gone(change: Change, found: bool) -> None:
    assert is_found("010-1948-5021이야 안녕", 0, 13, [change]) is found
