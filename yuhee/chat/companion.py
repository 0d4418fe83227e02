"""`yuhee.load(path)`: a companion to talk with from Python."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import torch

from yuhee import bundle
from yuhee.chat.classifier import NO_REPLIES, Classifier
from yuhee.chat.engine import Decoding, ReplyEngine, check_seed
from yuhee.chat.selection import EngineName, engine_named, make_engine
from yuhee.chat.session import Memory, Session
from yuhee.data.dialogue import Turn
from yuhee.data.encoding.encoder import writes_replies
from yuhee.errors import UserError

NO_CLASSES = "이 모델은 대답할 뿐 감정을 가려내지 않습니다. model=emotion_roberta 나 model=emotion_linear 로 학습한 모델을 여세요."
Messages = Sequence[Mapping[str, Any]]


def load(path: str | Path, engine: str = "auto") -> "Companion | Classifier":
    """Load a bundle, a run folder or a `.ckpt`; needs no configuration and no network, and runs no code from it.

    A model that tells labels becomes a `Classifier`, one that writes replies a `Companion`.

    Args:
        engine: what generates: `torch` with the weights as they are, `int8` with PyTorch and smaller weights,
            `ctranslate2`, or `auto` for the fastest here (see `make_engine`).

    Raises:
        UserError: nothing there, a file that is broken, foreign or unsafe, an unknown engine, or a model that does
            neither.
    """
    name = engine_named(engine)
    model = bundle.load(path)
    if model.encoder.task == "text-classification":
        return Classifier(model)
    if not writes_replies(model.encoder):
        raise UserError(
            f"{path}: 글을 익히기만 한 모델이라 이야기하지도 감정을 가려내지도 못합니다. "
            "model.pretrained에 이 폴더를 주어 이어서 학습해 주세요."
        )
    return Companion(model, name, bundle.bundle_folder(path))


def load_companion(path: str | Path, engine: str = "auto") -> "Companion":
    """Like `load`, for a conversation.

    Raises:
        UserError: as of `load`, or a model that does not talk.
    """
    loaded = load(path, engine)
    if isinstance(loaded, Classifier):
        raise UserError(f"{path}: {NO_REPLIES}")
    return loaded


def load_classifier(path: str | Path) -> Classifier:
    """Like `load`, for reading emotions.

    Raises:
        UserError: as of `load`, or a model that does not tell them.
    """
    loaded = load(path)
    if not isinstance(loaded, Classifier):
        raise UserError(f"{path}: {NO_CLASSES}")
    return loaded


class Companion:
    """유희지희 as one model speaks her.

    Attributes:
        model: network, encoder and facts.
        engine: PyTorch's keeps its cache warm from one reply to the next.
    """

    def __init__(self, model: bundle.Model, engine: EngineName = "auto", folder: Path | None = None) -> None:
        if torch.cuda.is_available() and engine in ("auto", "torch"):
            model.network.to("cuda")
        self.model = model
        self.engine: ReplyEngine = make_engine(model, engine, folder)

    def classify(self, text: str) -> NoReturn:
        """Refuse: this model does not tell emotions.

        Raises:
            UserError: always.
        """
        raise UserError(NO_CLASSES)

    @property
    def emotion_labels(self) -> list[str]:
        """Labels that `emotion=` takes; none if the model was trained without."""
        return list(self.model.facts.get("emotion_labels", [])) if self.model.encoder.emotion == "label" else []

    def reply(
        self, message: str | Messages, *, emotion: str | None = None, seed: int | None = None, **options: Any
    ) -> str:
        """Answer a message, or the last message of a conversation.

        Args:
            message: what the user says, or messages `{"role", "content", "emotion"?}` that end with the user's.
            emotion: label of the user's last message.
            seed: of the sampling; the same seed gives the same reply.
            options: fields of `Decoding`: greedy, temperature, top_p, max_new_tokens, …

        Raises:
            UserError: an empty message, an unknown emotion or option, or a conversation that does not end with the user.
        """
        return "".join(self.stream(message, emotion=emotion, seed=seed, **options))

    def stream(
        self, message: str | Messages, *, emotion: str | None = None, seed: int | None = None, **options: Any
    ) -> Iterator[str]:
        """Like `reply`, in pieces as they are generated."""
        decoding = _decoding(options)
        check_seed(seed)
        turns = self._turns(message, emotion)
        session = self.session()
        session.restore(turns[:-1])
        return session.say(turns[-1], decoding, seed)

    def session(self, exchanges: int | None = None) -> Session:
        """A new conversation.

        Args:
            exchanges: how many of them a reply looks back on; by default as many as the training dialogues had.
        """
        longest = self.model.facts.get("longest", {})
        known = longest.get("exchanges", 1) - 1
        memory = Memory(known if exchanges is None else exchanges, longest.get("tokens", self.model.encoder.max_length))
        return Session(self.engine, self.model.encoder, memory)

    def check_emotion(self, emotion: str | None) -> None:
        """Refuse a label that the model was not trained with.

        Raises:
            UserError: with the labels there are.
        """
        if emotion is not None and emotion not in self.emotion_labels:
            known = ", ".join(self.emotion_labels) or "없음: 감정 없이 학습한 모델입니다"
            raise UserError(f"emotion={emotion}: 이 모델이 모르는 감정입니다(있는 것: {known}).")

    def _turns(self, message: str | Messages, emotion: str | None) -> list[Turn]:
        messages: Messages = [{"role": "user", "content": message}] if isinstance(message, str) else message
        try:
            for label in (emotion, *(message.get("emotion") for message in messages)):
                self.check_emotion(label)
            turns = [Turn(m["role"], m["content"], emotion=m.get("emotion")) for m in messages]
        except (KeyError, TypeError, AttributeError):
            raise UserError("대화는 {'role': …, 'content': …} 꼴의 메시지 목록이어야 합니다.") from None
        except ValueError as error:
            raise UserError(
                f"메시지를 읽을 수 없습니다({error}). 빈 글인지, role이 user나 assistant인지 확인해 주세요."
            ) from None
        if not turns or turns[-1].role != "user":
            raise UserError("대화의 마지막 메시지는 사용자(role: user)의 것이어야 합니다.")
        if any(turn.role == "system" for turn in turns[1:]):
            raise UserError("role: system 메시지는 맨 앞에만 올 수 있습니다.")
        if emotion is not None:
            turns[-1] = Turn("user", turns[-1].text, emotion=emotion)
        return turns


def _decoding(options: Mapping[str, Any]) -> Decoding:
    try:
        decoding = Decoding(**options)
    except TypeError:
        known = ", ".join(Decoding.__dataclass_fields__)
        raise UserError(f"{', '.join(options)}: 모르는 옵션이 있습니다(있는 것: {known}).") from None
    decoding.check()
    return decoding
