"""The model and its baselines, asked the same questions."""

from collections.abc import Sequence
from dataclasses import dataclass

from yuhee.chat.engine import Decoding
from yuhee.chat.session import reply_text
from yuhee.data.dialogue import Dialogue
from yuhee.evaluation.baselines import FrequentReply, NearestQuestion, RandomReply, learned_replies
from yuhee.evaluation.character_ngram import CharacterNgram
from yuhee.evaluation.copying import TrainingReplies
from yuhee.evaluation.generation import generate, prompts, seconds_alone
from yuhee.evaluation.likelihood import score_replies
from yuhee.evaluation.questions import Asked
from yuhee.evaluation.result import Answer, Question
from yuhee.evaluation.run_data import Run
from yuhee.evaluation.sample import Sample

MODEL = "model"
TIMED = 20  # replies whose seconds are measured


@dataclass(frozen=True)
class Contender:
    """A system with its answers: `name` is its key in files, `title` is for people."""

    name: str
    title: str
    sample: Sample


def model_contender(run: Run, asked: Sequence[Asked], decoding: Decoding, seed: int) -> Contender:
    """The model's replies and likelihoods; the seconds of every n-th reply, by the chat's own engine."""
    model = run.companion.model
    shown = prompts(run.companion, asked, decoding)
    replies = generate(model, shown, decoding, seed)
    dialogues = list({id(each.dialogue): each.dialogue for each in asked}.values())
    scored = dict(zip(map(id, dialogues), score_replies(model, dialogues), strict=True))
    timed = range(0, len(asked), -(-len(asked) // TIMED))
    seconds = dict(zip(timed, seconds_alone(run.companion, [shown[row] for row in timed], decoding, seed), strict=True))
    answers = []
    for row, (each, reply) in enumerate(zip(asked, replies, strict=True)):
        score = scored[id(each.dialogue)].get(each.turn)
        answers.append(
            Answer(
                text=reply_text(model.encoder, reply.ids),
                finished=reply.finished,
                seconds=seconds.get(row, 0.0),
                tokens=len(reply.ids) + reply.finished,
                bits=None if score is None else score.bits,
                reference_tokens=0 if score is None else score.tokens,
            )
        )
    questions = [each.question for each in asked]
    return Contender(MODEL, "모델", Sample(questions, answers, TrainingReplies(learned_replies(run.split.train))))


@dataclass(frozen=True)
class Baselines:
    """Baselines fitted on one training split, and the training exchange nearest to each question."""

    contenders: tuple[Contender, ...]
    nearest: tuple[tuple[str, str], ...]


def baselines(train: Sequence[Dialogue], questions: Sequence[Question], seed: int) -> Baselines:
    """Fit all baselines on the training dialogues and ask them."""
    training = TrainingReplies(learned_replies(train))
    nearest = NearestQuestion(train)
    writers = (nearest, FrequentReply(train), RandomReply(train, seed))
    contenders = [
        Contender(each.name, each.title, Sample(questions, each.answers(questions), training)) for each in writers
    ]
    ngram = CharacterNgram.fit(train)
    bits = ngram.bits([question.reference for question in questions])
    contenders.append(Contender(ngram.name, ngram.title, Sample(questions, reference_bits=bits)))
    return Baselines(tuple(contenders), nearest.nearest(questions))
