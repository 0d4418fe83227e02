"""The registry of metrics: what each means, which way is better, where it comes from, and how it is computed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from yuhee.evaluation import measures
from yuhee.evaluation.class_metrics import CLASS_METRICS, ClassMetric
from yuhee.evaluation.copying import plain
from yuhee.evaluation.sample import Sample
from yuhee.evaluation.statistics import Largest, Measured

Direction = Literal["lower", "higher", "none"]

NEEDS: dict[str, tuple[Callable[[Sample], bool], str]] = {
    "replies": (lambda sample: bool(sample.answers), "답을 쓰지 않는 시스템입니다"),
    "likelihood": (lambda sample: not np.isnan(sample.bits).all(), "글의 확률을 내지 않는 시스템입니다"),
    "reference_tokens": (
        lambda sample: any(answer.reference_tokens for answer in sample.answers),
        "토큰으로 나누지 않는 시스템입니다",
    ),
    "tokens": (lambda sample: any(answer.tokens for answer in sample.answers), "토큰을 하나씩 쓰지 않는 시스템입니다"),
    "seconds": (lambda sample: any(answer.seconds > 0 for answer in sample.answers), "시간을 재지 않았습니다"),
    "training": (lambda sample: len(sample.training) > 0, "학습에 쓴 답이 곁에 없습니다"),
}
"""What a metric may need → whether a sample has it, and the reason that people read if it has not."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure of the report.

    Attributes:
        name: key in files.
        title, definition: for people.
        direction: which way is better; `none` describes, and is to be held against the references' own value.
        unit: of the figure; empty for a pure number.
        source: where the definition comes from.
        needs: keys of `NEEDS`.
        compute: per-reply statistics, from which figures of any subset, intervals and differences follow.
        unpaired: why two systems cannot be compared reply by reply, for people; empty if they can.
    """

    name: str
    title: str
    definition: str
    direction: Direction
    unit: str
    source: str
    needs: tuple[str, ...]
    compute: Callable[[Sample], Measured]
    unpaired: str = ""


_CLOCK = "다시 재면 달라지는 시간이라 짝지어 견주지 않습니다"

_ALL = (
    Metric(
        "bpc",
        "글자당 비트",
        "시험 답(정답)의 음의 로그 가능도(비트) ÷ (NFC 글자 수 + 답의 끝 1). 토크나이저가 잃은 글자는 하나에 20비트로 친다.",
        "lower",
        "비트/글자",
        "Graves 2013(bits per character); 끝과 잃은 글자를 세는 법은 yuhee의 정의",
        ("likelihood",),
        measures.bits_per_character,
    ),
    Metric(
        "ppl",
        "혼란도",
        "2^(시험 답의 비트 ÷ 답과 끝의 토큰 수). 토크나이저가 같은 모델끼리만 견줄 수 있다.",
        "lower",
        "",
        "Jelinek 외 1977",
        ("likelihood", "reference_tokens"),
        measures.perplexity,
    ),
    Metric(
        "bleu",
        "BLEU",
        "정답과 겹치는 1~4글자열의 정밀도(0~100, 시험 답 전체에서). 토큰은 글자 하나: 조사와 어미가 붙은 어절로는 짧은 답이 "
        "거의 겹치지 않는다.",
        "higher",
        "",
        f"Papineni 외 2002; sacrebleu {measures.signature(measures.BLEU_METRIC)}",
        ("replies",),
        measures.sacrebleu(measures.BLEU_METRIC),
    ),
    Metric(
        "chrf",
        "chrF",
        "정답과 겹치는 1~6글자열의 F2(0~100, 시험 답 전체에서). 띄어쓰기는 보지 않는다.",
        "higher",
        "",
        f"Popović 2015; sacrebleu {measures.signature(measures.CHRF_METRIC)}",
        ("replies",),
        measures.sacrebleu(measures.CHRF_METRIC),
    ),
    Metric(
        "exact",
        "정답과 똑같은 답",
        "정답과 글자까지 같은 답의 비율(NFC, 띄어쓰기 여러 칸은 한 칸으로).",
        "higher",
        "%",
        "Rajpurkar 외 2016(exact match)",
        ("replies",),
        measures.share(measures.same_text),
    ),
    Metric(
        "register",
        "말투 일치",
        "답의 말투(반말, 해요, 합니다)가 정답의 말투와 같은 비율. 둘 다 끝말로 가릴 수 있을 때만 센다.",
        "higher",
        "%",
        "yuhee의 정의(yuhee/data/register.py)",
        ("replies",),
        measures.same_register,
    ),
    Metric(
        "distinct_1",
        "distinct-1",
        "서로 다른 어절 수 ÷ 어절 수, 모든 답을 통틀어. 답이 많을수록 작아지므로 같은 질문에서만 견준다.",
        "higher",
        "%",
        "Li 외 2016",
        ("replies",),
        measures.distinct(1),
    ),
    Metric(
        "distinct_2",
        "distinct-2",
        "서로 다른 두 어절 이음 수 ÷ 두 어절 이음 수, 모든 답을 통틀어. 답이 많을수록 작아지므로 같은 질문에서만 견준다.",
        "higher",
        "%",
        "Li 외 2016",
        ("replies",),
        measures.distinct(2),
    ),
    Metric(
        "repeated_replies",
        "같은 답을 또 함",
        "1 - 서로 다른 답의 수 ÷ 답의 수. 질문이 달라도 같은 말만 하면 커진다.",
        "lower",
        "%",
        "답 하나를 통째로 센 self-repetition(Salkar 외 2022)",
        ("replies",),
        lambda sample: measures.types([[(plain(text),)] for text in sample.texts], repeated=True),
    ),
    Metric(
        "self_repetition",
        "답 안에서 되풀이",
        "같은 네 글자(띄어쓰기 포함)가 한 답 안에 두 번 이상 나오는 답의 비율. ㅋㅋㅋㅋㅋ처럼 한 글자뿐인 것은 빼고 센다.",
        "lower",
        "%",
        "글자로 센 seq-rep-4(Welleck 외 2020)",
        ("replies",),
        measures.share(lambda sample: [measures.repeats_itself(text) for text in sample.texts]),
    ),
    Metric(
        "length",
        "답 길이",
        "답의 평균 글자 수(NFC, 띄어쓰기 포함).",
        "none",
        "글자",
        "yuhee의 정의",
        ("replies",),
        measures.mean(lambda sample: [float(len(text)) for text in sample.texts]),
    ),
    Metric(
        "finished",
        "스스로 끝낸 답",
        "길이 한도에 걸리지 않고 끝 토큰으로 끝난 답의 비율.",
        "higher",
        "%",
        "yuhee의 정의",
        ("replies",),
        measures.share(lambda sample: [answer.finished for answer in sample.answers]),
    ),
    Metric(
        "copies",
        "학습 답 베끼기",
        "학습에 쓴 답 가운데 하나와 글자까지 같은 답의 비율(NFC, 띄어쓰기 여러 칸은 한 칸으로).",
        "lower",
        "%",
        "Carlini 외 2021, 2023(외운 글의 추출)을 답 하나에 맞춘 것",
        ("replies", "training"),
        measures.share(lambda sample: [text in sample.training for text in sample.texts]),
    ),
    Metric(
        "copied_length",
        "베낀 글 길이",
        "답에서 학습 답 하나에 그대로 들어 있는 가장 긴 글자열의 길이, 답들의 평균.",
        "none",
        "글자",
        "McCoy 외 2023(n-gram novelty)을 글자로 잰 것",
        ("replies", "training"),
        measures.mean(lambda sample: sample.copied.tolist()),
    ),
    Metric(
        "longest_copy",
        "가장 길게 베낀 글",
        "위 길이 가운데 가장 긴 것. 값 하나라 구간이 없다.",
        "none",
        "글자",
        "McCoy 외 2023(n-gram novelty)을 글자로 잰 것",
        ("replies", "training"),
        lambda sample: Largest(sample.copied),
    ),
    Metric(
        "seconds",
        "답 하나에 걸린 시간",
        "답 하나를 쓰는 데 걸린 평균 시간. 기계가 같을 때만 견줄 수 있다.",
        "lower",
        "초",
        "yuhee의 정의",
        ("replies", "seconds"),
        measures.seconds_per_reply,
        _CLOCK,
    ),
    Metric(
        "tokens_per_second",
        "초당 토큰",
        "쓴 토큰 수(끝 토큰 포함) ÷ 걸린 시간. 기계와 토크나이저가 같을 때만 견줄 수 있다.",
        "higher",
        "토큰/초",
        "yuhee의 정의",
        ("replies", "tokens", "seconds"),
        measures.tokens_per_second,
        _CLOCK,
    ),
)

METRICS: dict[str, Metric] = {metric.name: metric for metric in _ALL}
"""Name → metric, in the order of the report."""

DEFINITIONS: dict[str, Metric | ClassMetric] = {**METRICS, **CLASS_METRICS}
"""Name → what a figure of a report means, whatever kind of model it is about."""


def lacks(metric: Metric, sample: Sample) -> str | None:
    """The reason for people why the metric cannot be computed on the sample; None if it can."""
    if not sample.questions:
        return "시험 질문이 하나도 없습니다"
    return next((reason for has, reason in (NEEDS[need] for need in metric.needs) if not has(sample)), None)
