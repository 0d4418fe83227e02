from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from yuhee.model_card import KOGPT2_LICENCE, licence, model_card

FACTS: dict[str, Any] = {
    "model": "kogpt2",
    "pretrained": "skt/kogpt2-base-v2",
    "corpus": "songys",
    "corpus_hash": "abc123",
    "split": {"by": "group", "seed": 7, "ratios": [0.8, 0.1, 0.1]},
    "private": False,
    "licence": KOGPT2_LICENCE,
    "figures": {"test/bpc": 2.34567, "test/loss": 3, "corpus_hash": "abc123"},
}


def head(card: str) -> dict[str, Any]:
    """The YAML block that the Hugging Face hub reads."""
    _, block, _ = card.split("---\n", 2)
    loaded: dict[str, Any] = yaml.safe_load(block)
    return loaded


@pytest.mark.parametrize("pretrained", ["skt/kogpt2-base-v2", "SKT/KoGPT2-base-v2", "kogpt2-songys", "my_kogpt2_copy"])
def test_whatever_comes_from_kogpt2_keeps_its_licence(pretrained: str) -> None:
    assert licence(pretrained, SimpleNamespace()) == "cc-by-nc-sa-4.0"


@pytest.mark.parametrize("named", ["CC-BY-NC-SA 4.0", "cc-by-nc-sa-4.0"])
def test_a_copy_of_kogpt2_under_another_name_is_known_by_its_configuration(named: str) -> None:
    assert licence("my-model", SimpleNamespace(license=named)) == "cc-by-nc-sa-4.0"


def test_random_weights_are_under_our_own_licence() -> None:
    assert licence(None, SimpleNamespace()) == "apache-2.0"


def test_a_foreign_model_makes_no_promise() -> None:
    assert licence("some/model", SimpleNamespace()) == "other"
    assert licence("some/model", SimpleNamespace(license="MIT")) == "other"
    assert licence("some/model", SimpleNamespace(license=None)) == "other"


def test_the_card_of_a_kogpt2_model_says_what_may_be_done_with_it() -> None:
    card = model_card(FACTS)
    assert head(card)["license"] == "cc-by-nc-sa-4.0"
    assert "CC-BY-NC-SA 4.0" in card
    assert "non-commercial" in card
    assert "Started from: skt/kogpt2-base-v2" in card


def test_another_licence_is_not_called_kogpt2s() -> None:
    card = model_card({**FACTS, "pretrained": None, "licence": "apache-2.0"})
    assert head(card)["license"] == "apache-2.0"
    assert "non-commercial" not in card
    assert "random weights" in card


@pytest.mark.parametrize("private", [True, False])
def test_only_a_model_of_private_conversations_says_not_to_publish_it(private: bool) -> None:
    assert ("do not publish" in model_card({**FACTS, "private": private})) is private


def test_every_figure_is_listed_and_nothing_that_is_none() -> None:
    rows = [line for line in model_card(FACTS).splitlines() if line.startswith("| ")]
    assert rows == ["| figure | value |", "| test/bpc | 2.346 |", "| test/loss | 3 |"]


def test_the_card_tells_data_and_split_and_that_it_is_a_machine() -> None:
    card = model_card(FACTS)
    assert "songys (corpus hash `abc123`), split by group, split seed 7" in card
    assert "AI friend" in card
    assert "not a person" in card
    assert head(card)["language"] == "ko"
    assert head(card)["pipeline_tag"] == "text-generation"


def test_a_saved_bundle_has_the_card_of_its_facts(small_bundle: Path) -> None:
    card = (small_bundle / "README.md").read_text(encoding="utf-8")
    assert head(card)["license"] == "apache-2.0"
    assert "| test/bpc | 9 |" in card
    assert "0" * 32 in card
