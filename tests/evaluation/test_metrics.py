"""Every metric on examples small enough to count by hand."""

import math
import re
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sacrebleu.metrics import BLEU, CHRF

from tests.conftest import ROOT
from tests.evaluation.samples import question, sample
from yuhee.evaluation.measures import repeats_itself
from yuhee.evaluation.metrics import METRICS, NEEDS
from yuhee.evaluation.result import Answer
from yuhee.evaluation.sample import Sample
from yuhee.evaluation.scoring import figures, score

TEXT = st.text("가나다 요.!ㅋ\nab😊", max_size=12)
REFERENCE = TEXT.filter(str.strip)


def value(name: str, given_sample: Sample) -> float:
    return figures(score(given_sample, [name]), replicates=10)[name].value


def test_bits_per_character_counts_the_end_and_is_over_all_replies_together() -> None:
    answers = (Answer("", bits=9.0), Answer("", bits=6.0))
    given_sample = Sample((question("가나"), question("다", dialogue="d:2")), answers)
    assert value("bpc", given_sample) == pytest.approx(15 / 5)


def test_a_system_that_only_has_a_likelihood_gets_that_figure_and_reasons_for_the_others() -> None:
    found = figures(score(Sample((question("가나"),), reference_bits=np.array([9.0]))))
    assert found["bpc"].value == pytest.approx(3)
    assert {name for name, each in found.items() if each.reason is None} == {"bpc"}
    assert found["chrf"].reason == "답을 쓰지 않는 시스템입니다"


def test_perplexity_is_per_token_of_the_references() -> None:
    answers = (Answer("", tokens=50, bits=9.0, reference_tokens=3), Answer("", tokens=1, bits=6.0, reference_tokens=2))
    assert value("ppl", Sample((question("가나"), question("다")), answers)) == pytest.approx(2**3)


@given(st.lists(st.tuples(TEXT, REFERENCE), min_size=1, max_size=6))
def test_bleu_and_chrf_are_sacrebleus(pairs: list[tuple[str, str]]) -> None:
    texts, references = [text for text, _ in pairs], [ref for _, ref in pairs]
    bleu = BLEU(tokenize="char").corpus_score(texts, [references]).score
    assert value("bleu", sample(*pairs)) == pytest.approx(bleu)
    assert value("chrf", sample(*pairs)) == pytest.approx(CHRF().corpus_score(texts, [references]).score)


def test_replies_written_in_jamo_are_the_same_replies() -> None:
    jamo = unicodedata.normalize("NFD", "좋아요 정말")
    assert value("chrf", sample((jamo, "좋아요 정말"))) == pytest.approx(100)
    assert value("exact", sample((jamo, "좋아요 정말"))) == 100
    assert value("length", sample((jamo, "좋아요 정말"))) == 6


def test_distinct_words_over_all_replies() -> None:
    replies = sample(("나는 좋아 나는 좋아", "x"), ("나는 싫어", "x"))
    assert value("distinct_1", replies) == pytest.approx(100 * 3 / 6)
    assert value("distinct_2", replies) == pytest.approx(100 * 3 / 4)  # 나는 좋아, 좋아 나는, 나는 싫어


def test_replies_of_one_word_have_no_pairs_of_words() -> None:
    found = figures(score(sample(("네", "x"), ("응", "x")), ["distinct_2"]))["distinct_2"]
    assert math.isnan(found.value)
    assert found.reason


def test_the_same_reply_again() -> None:
    assert value("repeated_replies", sample(("네", "x"), (" 네", "x"), ("네", "x"), ("응", "x"))) == pytest.approx(50)
    assert value("repeated_replies", sample(("네", "x"), ("응", "x"))) == 0


@pytest.mark.parametrize(
    ("text", "repeats"),
    [
        ("좋아요 좋아요 좋아요", True),
        ("아니 그게 아니 그게", True),
        ("좋아요 좋아요", False),  # three characters and a space, and then no space
        ("ㅋㅋㅋㅋㅋㅋㅋㅋㅋ", False),
        ("하하호호하하호호", True),
        ("", False),
    ],
)
def test_a_reply_that_repeats_itself(text: str, repeats: bool) -> None:
    assert repeats_itself(text) is repeats
    assert value("self_repetition", sample((text, "x"))) == (100 if repeats else 0)


def test_shares_of_replies() -> None:
    replies = sample(("좋아요", "좋아요"), ("  네  그래 ", "네 그래"), ("싫어요", "좋아요"), ("음", "음..."))
    assert value("exact", replies) == 50
    ended = Sample((question("가"), question("나")), (Answer("가"), Answer("나", finished=False)))
    assert value("finished", ended) == 50


def test_register_counts_only_what_can_be_told() -> None:
    replies = sample(("그래요", "좋아요"), ("그래", "좋아요"), ("ㅋㅋ", "좋아요"), ("그래요", "ok"))
    assert value("register", replies) == 50
    assert math.isnan(value("register", sample(("ㅋㅋ", "좋아요"))))


def test_copies_of_training_replies() -> None:
    replies = sample(("밥은 먹었어요?", "x"), ("밥은 먹었니", "x"), ("", "x"), training=("밥은  먹었어요?", "네"))
    assert value("copies", replies) == pytest.approx(100 / 3)
    assert value("copied_length", replies) == pytest.approx((8 + 5 + 0) / 3)  # the second has '밥은 먹었'
    assert value("longest_copy", replies) == 8


def test_a_largest_value_has_no_interval() -> None:
    found = figures(score(sample(("가나", "x"), ("가", "x"), training=("가나",)), ["longest_copy"]))["longest_copy"]
    assert (found.value, found.low, found.high) == (2, 2, 2)


def test_latency_of_what_was_timed() -> None:
    answers = (Answer("가", seconds=2.0, tokens=10), Answer("나", seconds=1.0, tokens=2), Answer("다"))
    timed = Sample(tuple(question("가", dialogue=str(index)) for index in range(3)), answers)
    assert value("seconds", timed) == pytest.approx(1.5)
    assert value("tokens_per_second", timed) == pytest.approx(4)


@pytest.mark.parametrize(
    "replies",
    [
        sample(),
        sample(("", "가")),
        sample((" \n", "가"), ("", "나"), training=("가",)),
        sample(*[("네", "네")] * 4, training=("네",), seconds=0.1, tokens=2, bits=0.0, reference_tokens=2),
        Sample((question("가"), question("나", exchange=1)), (Answer("x"), Answer("y"))),  # one dialogue
    ],
)
@pytest.mark.filterwarnings("error")
def test_every_metric_has_a_figure_or_a_reason(replies: Sample) -> None:
    scores = score(replies)
    found = figures(scores, replicates=20)
    assert list(found) == list(METRICS)
    for name, each in found.items():
        assert math.isnan(each.value) == bool(each.reason), name
        assert each.reason or each.low <= each.value <= each.high, name
        assert len(scores.each(name)) == len(replies.questions)


def test_other_numbers_of_answers_than_questions_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="2 answers to 1 questions"):
        Sample((question("가"),), (Answer("x"), Answer("y")))


def test_the_registry_is_complete() -> None:
    for name, metric in METRICS.items():
        assert name == metric.name
        assert metric.title
        assert metric.source
        assert metric.definition.endswith(".")
        assert set(metric.needs) <= set(NEEDS)
    assert len({metric.title for metric in METRICS.values()}) == len(METRICS)


def test_the_documentation_says_what_the_registry_says() -> None:
    arrows = {"lower": "↓", "higher": "↑", "none": ""}
    cells = [
        (f"`{m.name}`", m.title, arrows[m.direction], m.unit, m.definition, m.source.replace("|", "\\|"))
        for m in METRICS.values()
    ]
    text = (ROOT / "docs" / "evaluation.md").read_text(encoding="utf-8")
    section = text[text.index("## Metrics") : text.index("## Baselines")]
    rows = re.findall(r"^\| `.*$", section, re.MULTILINE)
    assert rows == [f"| {' | '.join(each)} |".replace("|  |", "| |") for each in cells]
