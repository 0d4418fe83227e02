"""`yuhee chat`: a conversation on a terminal, or line by line through a pipe."""

import contextlib
import io
import re
import sys
from collections.abc import Callable, Generator
from dataclasses import dataclass, field

from rich.console import Console
from rich.text import Text

from yuhee.chat.companion import Companion
from yuhee.chat.emotion import AUTO, NONE, EmotionSlot, Reader
from yuhee.chat.engine import Decoding
from yuhee.data.dialogue import Turn
from yuhee.errors import UserError

NAME = "유희지희"
QUIT = ("quit", "exit", "/quit", "/exit")
HELP = "/reset 처음부터 · /undo 한 번 무르기 · /retry 다시 대답 · /emotion 감정 · /help 도움말 · quit 끝내기"
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@dataclass
class Conversation:
    """A session with its commands, independent of how lines come in and replies go out.

    Args:
        companion: who answers.
        decoding: how.
        emotion: label of every message the user types, or `auto` for what the reader takes them for.
        seed: of the first reply; each further one adds one. None: a new one every time.
        exchanges: how many a reply looks back on; None: as the model was trained.
        reader: of emotions, for `auto`.
    """

    companion: Companion
    decoding: Decoding
    emotion: str | None = None
    seed: int | None = None
    exchanges: int | None = None
    reader: Reader | None = None
    replies: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.slot = EmotionSlot(self.companion, self.emotion, self.reader)
        self.session = self.companion.session(self.exchanges)

    def command(self, line: str) -> str | Generator[str] | None:
        """What a line does: a note to print, a reply to stream, or None to leave."""
        word = line.strip().casefold()
        if word in QUIT:
            return None
        if word == "/reset":
            self.session.reset()
            return "처음부터 다시 이야기해요."
        if word == "/undo":
            return "방금 주고받은 말을 지웠어요." if self.session.undo() else "무를 말이 없어요."
        if word == "/retry":
            turn = self.session.undo()
            self.slot.heard = None  # the label that it was read with stays the turn's
            return self._say(turn) if turn else "다시 대답할 말이 없어요."
        if word.split(maxsplit=1)[:1] == ["/emotion"]:
            return self._choose_emotion(line.split()[1:])
        if word.startswith("/"):
            return HELP
        return self._say(Turn("user", line.strip(), emotion=self.slot.label(line.strip())))

    def _choose_emotion(self, words: list[str]) -> str:
        """`/emotion 1`, `/emotion auto`, `/emotion none`; alone it tells what is chosen."""
        try:
            if words:
                self.slot.choose(None if words[0] == NONE else words[0])
        except UserError as error:
            return str(error)
        labels = ", ".join([*self.companion.emotion_labels, *([AUTO] if self.reader else []), NONE])
        return f"내 감정: {self.slot.choice or NONE} (고를 수 있는 것: {labels})"

    def _say(self, turn: Turn) -> Generator[str]:
        seed = None if self.seed is None else self.seed + self.replies
        self.replies += 1
        return self.session.say(turn, self.decoding, seed)


def converse(conversation: Conversation) -> None:
    """Talk until the user leaves; on a terminal with colours and line editing, elsewhere one reply a line."""
    if sys.stdin.isatty() and sys.stdout.isatty():
        _on_terminal(conversation)
    else:
        _through_pipe(conversation)


def printable(text: str) -> str:
    """Text without terminal control characters; line breaks and tabs stay."""
    return _CONTROL.sub("", text)


def _through_pipe(conversation: Conversation) -> None:
    for stream in (sys.stdin, sys.stdout):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    for line in sys.stdin:
        line = line.replace("\ufeff", "")
        if not line.strip():
            continue
        answer = conversation.command(line)
        if answer is None:
            return
        if isinstance(answer, str):
            print(answer, file=sys.stderr)
        else:
            if conversation.slot.heard:
                print(conversation.slot.heard, file=sys.stderr)
            print(" ".join(printable("".join(answer)).split("\n")), flush=True)


def _on_terminal(conversation: Conversation) -> None:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.formatted_text import FormattedText

    console = Console(highlight=False)
    console.print(Text(f"{NAME}와 이야기해요. {HELP}", style="dim"))
    prompt: PromptSession[str] = PromptSession(FormattedText([("bold ansicyan", "나: ")]))
    ask: Callable[[], str] = prompt.prompt
    while True:
        try:
            line = ask()
        except (EOFError, KeyboardInterrupt):
            return
        if not line.strip():
            continue
        answer = conversation.command(line)
        if answer is None:
            return
        if isinstance(answer, str):
            console.print(Text(answer, style="dim"))
            continue
        if conversation.slot.heard:
            console.print(Text(conversation.slot.heard, style="dim"))
        console.print(Text(f"{NAME}: ", style="bold magenta"), end="")
        try:
            with contextlib.closing(answer):
                for piece in answer:
                    console.print(Text(printable(piece)), end="", soft_wrap=True)
        except KeyboardInterrupt:  # stops this reply, not the conversation
            console.print(Text(" …", style="dim"), end="")
        console.print()
