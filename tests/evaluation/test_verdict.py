import math

import numpy as np
import pytest

from yuhee.evaluation.result import Answer, Question, System
from yuhee.evaluation.sample import Sample
from yuhee.evaluation.scoring import figures, score
from yuhee.evaluation.verdict import p_value, verdict

QUESTIONS = [Question(f"d:{n}#0", (("user", "뭐"),), None, f"대답은 {n}번 학교에 있어", 0) for n in range(30)]
GOOD = [question.reference for question in QUESTIONS]
POOR = ["ㅋㅋ"] * 30


def judge(texts: list[str], bits: float | None, look_up: list[str], ngram: float, by: str = "group") -> str:
    """A verdict over a model and two baselines; bits are per reply."""
    samples = {
        "model": Sample(QUESTIONS, [Answer(text, bits=bits) for text in texts]),
        "nearest_question": Sample(QUESTIONS, [Answer(text) for text in look_up]),
        "character_ngram": Sample(QUESTIONS, reference_bits=np.full(30, ngram)),
    }
    scores = {name: score(sample) for name, sample in samples.items()}
    systems = [System(name, f"<{name}>", (), figures(scores[name])) for name in samples]
    return verdict(systems, scores, by=by)


def test_a_model_that_beats_all() -> None:
    said = judge(GOOD, 20.0, POOR, 40.0)
    assert said.startswith("모델이 기준선을 모두 이깁니다: 글자당 비트 ")
    assert "<character_ngram>" in said
    assert "<nearest_question> 0.00(이김, p" in said


def test_a_model_that_beats_one() -> None:
    assert judge(POOR, 20.0, GOOD, 40.0).startswith("모델이 기준선을 일부만 이깁니다")
    assert "(짐, p" in judge(POOR, 20.0, GOOD, 40.0)


def test_a_model_that_beats_none() -> None:
    assert judge(POOR, 60.0, GOOD, 40.0).startswith("모델이 기준선보다 못합니다")
    same = judge(GOOD, 40.0, GOOD, 40.0)
    assert same.startswith("모델이 기준선보다 낫다고 할 수 없습니다")
    assert same.count("차이를 가릴 수 없음") == 2


def test_what_cannot_be_computed_is_left_out() -> None:
    said = judge(GOOD, None, POOR, 40.0)
    assert said.startswith("모델이 기준선을 모두 이깁니다: chrF 100.00")
    assert "비트" not in said


def test_a_split_that_leaks_is_named() -> None:
    assert "행 단위 분할" in judge(GOOD, 20.0, POOR, 40.0, by="row")
    assert "행 단위 분할" not in judge(GOOD, 20.0, POOR, 40.0)


@pytest.mark.parametrize(("p", "said"), [(math.nan, "p 없음"), (0.0004, "p < 0.001"), (0.03, "p = 0.030")])
def test_p_values(p: float, said: str) -> None:
    assert p_value(p) == said
