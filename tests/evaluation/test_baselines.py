"""What a model has to beat."""

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import dialogue
from tests.evaluation.samples import question
from yuhee.data.dialogue import Dialogue, Turn
from yuhee.errors import UserError
from yuhee.evaluation import baselines, character_ngram
from yuhee.evaluation.baselines import FrequentReply, NearestQuestion, RandomReply, exchanges, last_question
from yuhee.evaluation.character_ngram import END, SYMBOLS, CharacterNgram
from yuhee.evaluation.result import Question
from yuhee.evaluation.sample import Sample
from yuhee.evaluation.scoring import figures, score

TRAINING = [
    dialogue("밥 먹었어?", "네 먹었어요", "뭐 먹었어?", "라면이요", name="d:1"),
    dialogue("오늘 너무 힘들다", "푹 쉬세요", name="d:2"),
    dialogue("내일 비 온대", "우산 챙기세요", name="d:3"),
    dialogue("졸려", "푹 쉬세요", name="d:4"),
]


def asked(text: str) -> Question:
    return question("참조", asked=text)


def test_exchanges_are_learned_replies_behind_a_question() -> None:
    turns = (
        Turn("assistant", "안녕하세요"),
        Turn("user", "저기"),
        Turn("user", "있잖아"),
        Turn("assistant", "배우지 않는 답", weight=0),
        Turn("assistant", "네?"),
    )
    assert exchanges([Dialogue("d", turns)]) == [("있잖아", "네?")]


def test_the_last_question_is_the_users() -> None:
    context = (("system", "친구"), ("user", "하나"), ("assistant", "둘"), ("user", "셋"))
    assert last_question(Question("d#1", context, None, "넷", 1)) == "셋"
    assert last_question(Question("d#0", (), None, "넷", 0)) == ""


def test_the_nearest_question_is_looked_up_by_the_users_last_turn() -> None:
    nearest = NearestQuestion(TRAINING)
    questions = [asked("오늘 정말 힘들다"), asked("뭐 먹었어??"), asked("비가 온대요")]
    assert [pair[0] for pair in nearest.nearest(questions)] == ["오늘 너무 힘들다", "뭐 먹었어?", "내일 비 온대"]
    assert [answer.text for answer in nearest.answers(questions)] == ["푹 쉬세요", "라면이요", "우산 챙기세요"]
    assert nearest.nearest([]) == ()


def test_blocks_of_questions_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    questions = [asked(text) for text in ("졸려", "비 온다", "먹었어", "@@", "힘들다")]
    whole = NearestQuestion(TRAINING).nearest(questions)
    monkeypatch.setattr(baselines, "CELLS", 1)
    assert NearestQuestion(TRAINING).nearest(questions) == whole


def test_of_equally_near_questions_the_first_counts() -> None:
    twins = [dialogue("졸려", "자요", name="d:1"), dialogue("졸려", "일어나요", name="d:2")]
    assert NearestQuestion([*twins, *TRAINING]).nearest([asked("졸려")]) == (("졸려", "자요"),)


def test_a_large_corpus_is_searched_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baselines, "MAX_PAIRS", 2)
    nearest = NearestQuestion(TRAINING).nearest([asked(question) for question, _ in exchanges(TRAINING)])
    assert {question for question, _ in nearest} == {"밥 먹었어?", "내일 비 온대"}


def test_the_most_frequent_reply() -> None:
    answers = FrequentReply(TRAINING).answers([asked("?"), asked("!")])
    assert [answer.text for answer in answers] == ["푹 쉬세요"] * 2
    assert FrequentReply(TRAINING[2:]).reply == "우산 챙기세요"  # a tie


def test_random_replies_follow_the_seed_and_their_frequency() -> None:
    questions = [asked("?")] * 4000
    drawn = RandomReply(TRAINING, seed=1).answers(questions)
    assert drawn == RandomReply(TRAINING, seed=1).answers(questions)
    assert drawn != RandomReply(TRAINING, seed=2).answers(questions)
    assert Counter(answer.text for answer in drawn)["푹 쉬세요"] == pytest.approx(1600, abs=150)


@pytest.mark.parametrize("baseline", [NearestQuestion, FrequentReply, RandomReply])
def test_nothing_to_learn_from_is_said(baseline: type) -> None:
    with pytest.raises(UserError, match="학습 대화에"):
        baseline([Dialogue("d", (Turn("user", "혼잣말"),))])


def test_witten_bell_by_hand() -> None:
    """Counted: 가 나 끝 / 가 끝, order 2. Contexts: start → 가 가; 가 → 나, end; 나 → end."""
    model = CharacterNgram(["가나", "가"], order=2)
    unigram_end = (2 + 3 / SYMBOLS) / (5 + 3)  # 가 2, 나 1, end 2: five characters of three types
    unigram_ga = (2 + 3 / SYMBOLS) / (5 + 3)
    assert model.probability("가", "") == pytest.approx((2 + 1 * unigram_ga) / (2 + 1))
    assert model.probability(END, "가") == pytest.approx((1 + 2 * unigram_end) / (2 + 2))
    assert model.probability(END, "모르는 글") == pytest.approx(unigram_end)
    bits = -math.log2(model.probability("가", "")) - math.log2(model.probability(END, "가"))
    assert model.bits(["가"]).tolist() == pytest.approx([bits])


TEXTS = st.lists(st.text("가나다 ㅋ😊\0", max_size=8), min_size=1, max_size=5)


@given(TEXTS, st.text("가나다 ㅋ😊\0라", max_size=6), st.integers(1, 4))
def test_probabilities_sum_to_one_after_any_text(texts: list[str], before: str, order: int) -> None:
    model = CharacterNgram(texts, order)
    seen = sorted({*"".join(texts), END})
    # every character that was never seen has the same probability
    total = sum(model.probability(each, before) for each in seen)
    assert total + (SYMBOLS - len(seen)) * model.probability("힣", before) == pytest.approx(1)


@given(TEXTS, TEXTS)
def test_bits_are_those_of_the_characters_and_the_end(texts: list[str], scored: list[str]) -> None:
    model = CharacterNgram(texts, 3)
    expected = [
        -sum(math.log2(model.probability(character, text[:place])) for place, character in enumerate([*text, END]))
        for text in scored
    ]
    assert model.bits(scored).tolist() == pytest.approx(expected)


def test_unknown_characters_are_dear_but_finite() -> None:
    model = CharacterNgram(["가나다"])
    assert 20 < model.bits(["힣"])[0] - model.bits([""])[0] < 30


def test_both_sides_of_the_training_dialogues_are_counted() -> None:
    turns = (Turn("system", "설정"), Turn("user", "질문"), Turn("assistant", "대답"))
    one, other = CharacterNgram.fit([Dialogue("d", turns)]), CharacterNgram(["질문", "대답"])
    assert one.bits(["질문", "설정", "대"]).tolist() == other.bits(["질문", "설정", "대"]).tolist()


def test_a_long_corpus_is_thinned_by_lot_from_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(character_ngram, "MAX_CHARACTERS", 200)
    model = CharacterNgram(["질"] * 200 + ["답"] * 200, order=1)
    assert model.probability("질", "") == pytest.approx(0.25, abs=0.06)
    assert model.probability("답", "") == pytest.approx(0.25, abs=0.06)
    assert model._totals[""] == 400  # characters and ends of 200 messages


def test_songys_by_the_honest_split(songys_data: Path) -> None:
    from yuhee.data.splits import split
    from yuhee.training import compose_config, parse_config

    data = parse_config(compose_config(["data=songys"])).data
    parts = split(data.read().dialogues, **dict(data.split))
    questions = [Question(d.id + "#0", (("user", d.questions[0]),), None, d.replies[0], 0) for d in parts.test]
    found = {}
    for baseline in (NearestQuestion(parts.train), RandomReply(parts.train)):
        found[baseline.name] = figures(score(Sample(questions, baseline.answers(questions)), ["chrf"]))["chrf"]
    bits = CharacterNgram.fit(parts.train).bits([question.reference for question in questions])
    found["bpc"] = figures(score(Sample(questions, reference_bits=bits), ["bpc"]))["bpc"]
    assert len(questions) == 1175
    assert found["nearest_question"].value == pytest.approx(7.44, abs=0.01)
    assert found["random_reply"].value == pytest.approx(5.07, abs=0.01)
    assert found["bpc"].value == pytest.approx(3.214, abs=0.001)
    assert found["bpc"].low < 3.16
    assert found["bpc"].high > 3.28
    assert np.isfinite(bits).all()
