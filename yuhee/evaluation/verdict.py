"""One sentence on whether a model beats its baselines, which says no where the answer is no."""

import math
from collections.abc import Mapping, Sequence

from yuhee.evaluation.result import System
from yuhee.evaluation.scoring import Scores, differences
from yuhee.evaluation.statistics import Difference

SIGNIFICANT = 0.05  # p below this counts as a difference
Contest = tuple[str, str, int, tuple[str, ...]]
CONTESTS: tuple[Contest, ...] = (
    ("bpc", "글자당 비트", -1, ("character_ngram",)),
    ("chrf", "chrF", 1, ("nearest_question", "frequent_reply", "random_reply")),
)
"""(metric, title, the better direction, baselines): the model has to beat the strongest of them."""


def verdict(
    systems: Sequence[System], scores: Mapping[str, Scores], *, by: str, contests: Sequence[Contest] = CONTESTS
) -> str:
    """The report's first sentence.

    Args:
        systems: the model first.
        scores: system → its scores on the same questions.
        by: how the corpus was split.
        contests: what is compared, as in `CONTESTS`.
    """
    outcomes, reasons = [], []
    for metric, title, sign, names in contests:
        figures = {system.name: system.figures[metric].value for system in systems}
        known = [name for name in names if not math.isnan(figures.get(name, math.nan))]
        if math.isnan(figures["model"]) or not known:
            continue
        rival = max(known, key=lambda name: sign * figures[name])
        difference = differences(scores["model"], scores[rival])[metric]
        outcomes.append(_outcome(difference, sign))
        rival_title = next(system.title for system in systems if system.name == rival)
        reasons.append(
            f"{title} {figures['model']:.2f}, {rival_title} {figures[rival]:.2f}({_WORDS[outcomes[-1]]}, {p_value(difference.p)})"
        )
    if not outcomes:
        return "모델이 기준선을 이기는지 알 수 없습니다: 견줄 수 있는 지표가 없습니다."
    leak = (
        " 질문과 답이 학습과 시험 양쪽에 든 행 단위 분할이라, 잘 베끼는 것과 잘 답하는 것을 가리지 못합니다."
        if by == "row"
        else ""
    )
    return f"{_headline(outcomes)}: {'; '.join(reasons)}.{leak}"


_WORDS = {1: "이김", 0: "차이를 가릴 수 없음", -1: "짐"}


def _headline(outcomes: Sequence[int]) -> str:
    if all(outcome == 1 for outcome in outcomes):
        return "모델이 기준선을 모두 이깁니다"
    if any(outcome == 1 for outcome in outcomes):
        return "모델이 기준선을 일부만 이깁니다"
    if any(outcome == -1 for outcome in outcomes):
        return "모델이 기준선보다 못합니다"
    return "모델이 기준선보다 낫다고 할 수 없습니다"


def _outcome(difference: Difference, sign: int) -> int:
    """1: the model is better, −1: worse, 0: it may be chance."""
    if not difference.p < SIGNIFICANT:
        return 0
    return 1 if sign * difference.value > 0 else -1


def p_value(p: float) -> str:
    return "p 없음" if math.isnan(p) else f"p < {0.001}" if p < 0.001 else f"p = {p:.3f}"
