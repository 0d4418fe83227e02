"""Does the emotion slot change what a model says? Its label is exchanged, and likelihoods and replies are looked at."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

import numpy as np

from yuhee.chat.session import reply_text
from yuhee.data.dialogue import Dialogue, Turn, draw
from yuhee.errors import UserError
from yuhee.evaluation.evaluate import Options
from yuhee.evaluation.generation import generate, prompts
from yuhee.evaluation.likelihood import score_replies
from yuhee.evaluation.paired import paired_differences
from yuhee.evaluation.questions import Asked, ask
from yuhee.evaluation.result import Interval
from yuhee.evaluation.run_data import Run
from yuhee.evaluation.sample import Sample
from yuhee.evaluation.scoring import Scores, differences, figures, score
from yuhee.evaluation.statistics import Array, Difference, Indices, Sums, intervals
from yuhee.evaluation.verdict import SIGNIFICANT, p_value

SLOTS = {"true": "말뭉치의 표지", "predicted": "읽어 낸 표지", "empty": "빈 슬롯", "wrong": "틀린 표지"}
ANSWERED = 200  # questions that are answered once with each label
LABELS = 8  # most labels that are tried
Fill = Callable[[Turn], str | None]


class Reader(Protocol):
    """A classifier of what people say.

    Attributes:
        title: for people.
    """

    title: str

    def read(self, texts: Sequence[str]) -> list[str]:
        """The likeliest label of each text."""


@dataclass(frozen=True)
class Agreement:
    """How often a reply is read as a label, in percent: when the slot asked for it, and when the slot was empty."""

    asked: Interval
    empty: Interval
    difference: Difference


@dataclass(frozen=True)
class Control:
    """What the slot does.

    Attributes:
        reader: who read the messages.
        reply_reader: who read the replies.
        reply_accuracy: references that the latter reads as their label, in percent; what can be seen of obedience
            depends on it.
        questions: with a label, whose references were scored.
        answered: of them, how many were answered with each label.
        bpc: slot → bits per character of the references.
        more: slot → bits per character more than with the true label.
        changed: label → replies that differ from the one with an empty slot, in percent.
        agreement: label → `Agreement`.
        overall: asked minus empty over all labels, in percentage points.
        verdict: for people.
    """

    reader: str
    reply_reader: str
    reply_accuracy: Interval
    questions: int
    answered: int
    bpc: Mapping[str, Interval]
    more: Mapping[str, Difference]
    changed: Mapping[str, Interval]
    agreement: Mapping[str, Agreement]
    overall: Difference
    verdict: str

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def emotion_control(run: Run, options: Options, reader: Reader, reply_reader: Reader) -> Control:
    """Flip the slot and measure what changes.

    The references are scored with the true label, the one that the reader takes from the user's message, none, and a
    wrong one drawn by the message. A sample of questions is answered with each label and with none, and the replies
    are read: were the slot obeyed, they would be read as what it says more often.

    Args:
        reader: of messages.
        reply_reader: of replies. People write other things in reply to sadness than sad people write, so a reader of
            messages is at a loss there.

    Raises:
        UserError: the model has no slot, or no question has a label.
    """
    labels = slot_labels(run)
    asked = [each for each in ask(getattr(run.split, options.on), options.limit, options.seed) if each.question.emotion]
    if not asked:
        raise UserError(f"{run.folder}: {options.on}에 감정 표지가 있는 질문이 없어 감정 슬롯을 잴 수 없습니다.")
    scores = _scores(run, asked, labels, reader)
    more = {slot: differences(scores[slot], scores["true"])["bpc"] for slot in SLOTS if slot != "true"}
    some = asked[:: -(-len(asked) // ANSWERED)]
    tried = labels[:LABELS]
    replies = {label: _replies(run, some, label, options) for label in (None, *tried)}
    clusters = Sample([each.question for each in some]).dialogues
    changed = {
        label: _share([ours != empty for ours, empty in zip(replies[label], replies[None], strict=True)], clusters)
        for label in tried
    }
    agreement, overall = _agreement(replies, tried, reply_reader, clusters)
    return Control(
        reader.title,
        reply_reader.title,
        _share(_agrees(reply_reader, asked), Sample([each.question for each in asked]).dialogues),
        len(asked),
        len(some),
        {slot: figures(found)["bpc"] for slot, found in scores.items()},
        more,
        changed,
        agreement,
        overall,
        _verdict(more["wrong"], list(changed.values()), overall),
    )


def slot_labels(run: Run) -> Sequence[str]:
    """The labels that a model's slot takes.

    Raises:
        UserError: it has no slot.
    """
    labels = run.companion.emotion_labels
    if len(labels) < 2:
        raise UserError(
            f"{run.folder}: 감정 표지로 학습한 모델이 아니라 감정 슬롯을 잴 수 없습니다. "
            "표지가 있는 말뭉치를 data.emotion=label 로 학습해 주세요."
        )
    return labels


def _scores(run: Run, asked: Sequence[Asked], labels: Sequence[str], reader: Reader) -> dict[str, Scores]:
    """Slot → bits of the references."""
    dialogues = list({id(each.dialogue): each.dialogue for each in asked}.values())
    texts = list(dict.fromkeys(turn.text for dialogue in dialogues for turn in _labelled(dialogue)))
    read = dict(zip(texts, reader.read(texts), strict=True))
    fills: dict[str, Fill] = {
        "true": lambda turn: turn.emotion,
        "predicted": lambda turn: read[turn.text],
        "empty": lambda turn: None,
        "wrong": lambda turn: _wrong(turn, labels),
    }
    questions = [each.question for each in asked]
    found = {}
    for slot, fill in fills.items():
        scored = score_replies(run.companion.model, [_filled(dialogue, fill) for dialogue in dialogues], SLOTS[slot])
        by_dialogue = dict(zip(map(id, dialogues), scored, strict=True))
        bits = [by_dialogue[id(each.dialogue)].get(each.turn) for each in asked]
        values = np.array([np.nan if each is None else each.bits for each in bits])
        found[slot] = score(Sample(questions, reference_bits=values), ("bpc",))
    return found


def _replies(run: Run, asked: Sequence[Asked], label: str | None, options: Options) -> list[str]:
    """The model's replies with one label in every slot."""
    filled = [replace(each, dialogue=_filled(each.dialogue, lambda turn: label)) for each in asked]
    shown = prompts(run.companion, filled, options.decoding)
    title = f"감정 {label or '없음'}"
    said = generate(run.companion.model, shown, options.decoding, options.seed, title)
    return [reply_text(run.companion.model.encoder, each.ids) for each in said]


def _agreement(
    replies: Mapping[str | None, Sequence[str]], labels: Sequence[str], reader: Reader, clusters: Indices
) -> tuple[dict[str, Agreement], Difference]:
    read = {label: reader.read(texts) for label, texts in replies.items()}
    asked = {label: [said == label for said in read[label]] for label in labels}
    empty = {label: [said == label for said in read[None]] for label in labels}
    pairs = [(_percent(asked[label]), _percent(empty[label])) for label in labels]
    overall = (
        _percent(np.mean([asked[label] for label in labels], axis=0)),
        _percent(np.mean([empty[label] for label in labels], axis=0)),
    )
    *each, together = paired_differences([*pairs, overall], clusters)
    found = {
        label: Agreement(_share(asked[label], clusters), _share(empty[label], clusters), difference)
        for label, difference in zip(labels, each, strict=True)
    }
    return found, together


def _agrees(reader: Reader, asked: Sequence[Asked]) -> list[bool]:
    read = reader.read([each.question.reference for each in asked])
    return [said == each.question.emotion for said, each in zip(read, asked, strict=True)]


def _labelled(dialogue: Dialogue) -> list[Turn]:
    return [turn for turn in dialogue.turns if turn.role == "user" and turn.emotion]


def _filled(dialogue: Dialogue, fill: Fill) -> Dialogue:
    """The dialogue with other labels where it has labels."""
    turns = (
        replace(turn, emotion=fill(turn)) if turn.role == "user" and turn.emotion else turn for turn in dialogue.turns
    )
    return replace(dialogue, turns=tuple(turns))


def _wrong(turn: Turn, labels: Sequence[str]) -> str:
    others = [label for label in labels if label != turn.emotion]
    return others[int(draw(turn.text) * len(others))]


def _percent(values: Sequence[bool] | Array) -> Sums:
    """The mean of values between 0 and 1, in percent."""
    column = np.asarray(values, dtype=float)
    return Sums(np.stack([column, np.ones_like(column)], axis=1), lambda sums: 100 * sums[:, 0] / sums[:, 1])


def _share(values: Sequence[bool], clusters: Indices) -> Interval:
    [interval] = intervals([_percent(values)], clusters)
    return interval


def _verdict(wrong: Difference, changed: Sequence[Interval], overall: Difference) -> str:
    heard = wrong.p < SIGNIFICANT and wrong.value > 0
    obeyed = overall.p < SIGNIFICANT and overall.value > 0
    reasons = (
        f"틀린 표지를 넣으면 글자당 비트가 {wrong.value:+.4f}({p_value(wrong.p)}), "
        f"표지를 넣으면 빈 슬롯일 때와 다른 대답이 {np.mean([each.value for each in changed]):.0f}%, "
        f"대답이 그 표지로 읽히는 몫은 빈 슬롯일 때보다 {overall.value:+.1f}%p({p_value(overall.p)})"
    )
    if heard and obeyed:
        return f"감정 슬롯이 대답을 바꿉니다: {reasons}."
    if heard:
        return f"모델이 감정 표지를 읽지만 대답의 감정은 달라지지 않습니다: {reasons}."
    if obeyed:
        return f"표지에 따라 대답의 감정이 달라지지만, 참인 표지가 대답을 더 잘 맞히게 하지는 않습니다: {reasons}."
    return f"감정 슬롯에 효과가 없습니다: {reasons}."
