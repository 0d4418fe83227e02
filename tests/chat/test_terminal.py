import io
import os
import pty
import select
import subprocess
import sys
import termios
import time
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import prompt_toolkit
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from typer.testing import CliRunner

from yuhee import bundle, cli
from yuhee.chat import terminal
from yuhee.chat.care import CRISIS_REPLY, IDENTITY_REPLY
from yuhee.chat.companion import Companion
from yuhee.chat.engine import Decoding
from yuhee.chat.terminal import HELP, Conversation, converse, printable
from yuhee.data.dialogue import Turn
from yuhee.data.encoding.causal_lm import CausalLMEncoder
from yuhee.errors import UserError

Run = Callable[..., subprocess.CompletedProcess[str]]
BRIEF = Decoding(max_new_tokens=6)


@pytest.fixture
def conversation(small_model: bundle.Model) -> Conversation:
    return Conversation(Companion(small_model), BRIEF, seed=1, exchanges=10)


def scripted(conversation: Conversation, *replies: str) -> list[list[int]]:
    """Let a conversation say given texts; returns the prompts it will have had."""
    encoder: CausalLMEncoder = conversation.session.encoder
    prompts: list[list[int]] = []
    queue = iter(replies)

    class Script:
        max_positions = 10_000

        def stream(self, prompt: Sequence[int], decoding: Decoding, seed: int | None = None) -> Iterator[int]:
            prompts.append(list(prompt))
            yield from encoder.turn_ids(Turn("assistant", next(queue)))[1:-1]

    conversation.session.engine = Script()  # type: ignore[assignment]
    return prompts


@pytest.fixture
def pipe(
    conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str | bytes], tuple[list[str], list[str]]]:
    """Lines of standard output and of standard error after some input."""

    def talk(text: str | bytes) -> tuple[list[str], list[str]]:
        data = text.encode() if isinstance(text, str) else text
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"))
        output, notes = io.StringIO(), io.StringIO()
        monkeypatch.setattr(sys, "stdout", output)
        monkeypatch.setattr(sys, "stderr", notes)
        converse(conversation)
        return output.getvalue().split("\n")[:-1], notes.getvalue().split("\n")[:-1]

    return talk


Pipe = Callable[[str | bytes], tuple[list[str], list[str]]]


def test_terminal_sequences_lose_their_control_characters() -> None:
    assert printable("\x1b[31m빨강\x1b[0m\x07\x08") == "[31m빨강[0m"
    assert printable("\x1b]0;제목\x07\x9b2J") == "]0;제목2J"
    assert printable("가\r나\x7f\x85\x00") == "가나"


def test_line_breaks_tabs_and_all_scripts_stay() -> None:
    text = "가\n나\t다 ㅋㅋㅋ :) 😊👨‍👩‍👧 é \\ [red]"
    assert printable(text) == text


@given(st.text(alphabet=st.characters(codec="utf-8")))
def test_nothing_that_moves_a_cursor_is_printable(text: str) -> None:
    assert printable(text) == "".join(c for c in text if c in "\n\t" or unicodedata.category(c) != "Cc")


def test_every_message_gets_exactly_one_line(pipe: Pipe) -> None:
    replies, notes = pipe("안녕\n오늘 뭐 했어?\n너 사람이야?\n나 죽고 싶어\n")
    assert len(replies) == 4
    assert all(reply.strip() for reply in replies)
    assert replies[2:] == [IDENTITY_REPLY, CRISIS_REPLY]
    assert notes == []


def test_a_line_break_inside_a_reply_becomes_a_space(conversation: Conversation, pipe: Pipe) -> None:
    scripted(conversation, "밥은 먹었어?\n뭐 먹었는데", "응")
    assert pipe("안녕\n응\n")[0] == ["밥은 먹었어? 뭐 먹었는데", "응"]
    assert conversation.session.turns[1].text == "밥은 먹었어?\n뭐 먹었는데"


def test_a_reply_of_terminal_controls_is_defused(conversation: Conversation, pipe: Pipe) -> None:
    scripted(conversation, "\x1b[2J라면\x07\r[red]맵다[/red]")
    assert pipe("안녕\n")[0] == ["[2J라면 [red]맵다[/red]"]


def test_commands_speak_on_standard_error_only(pipe: Pipe) -> None:
    replies, notes = pipe("/reset\n/undo\n/retry\n/help\n/unknown\n/안녕\n")
    assert replies == []
    assert notes == ["처음부터 다시 이야기해요.", "무를 말이 없어요.", "다시 대답할 말이 없어요.", HELP, HELP, HELP]


def test_undo_and_reset_change_what_the_model_reads(conversation: Conversation, pipe: Pipe) -> None:
    prompts = scripted(conversation, "응", "왜", "그래", "또")
    pipe("안녕\n뭐 해?\n/undo\n밥 먹자\n/reset\n안녕\n")
    encode = conversation.session.encoder.prompt
    assert prompts[2] == encode([Turn("user", "안녕"), Turn("assistant", "응"), Turn("user", "밥 먹자")])
    assert prompts[3] == encode([Turn("user", "안녕")])


def test_retry_asks_the_same_again(conversation: Conversation, pipe: Pipe) -> None:
    prompts = scripted(conversation, "응", "왜", "라면", "김밥")
    replies, _ = pipe("안녕\n뭐 먹어?\n/retry\n /Retry \n")
    assert replies == ["응", "왜", "라면", "김밥"]
    assert prompts[1] == prompts[2] == prompts[3]
    assert [turn.text for turn in conversation.session.turns] == ["안녕", "응", "뭐 먹어?", "김밥"]


def test_retry_may_give_another_answer_and_the_same_seeds_the_same_answers(small_model: bundle.Model) -> None:
    def talk() -> list[str]:
        conversation = Conversation(Companion(small_model), BRIEF, seed=7)
        answers = [conversation.command(line) for line in ("안녕",)]
        replies = ["".join(answer or "") for answer in answers]
        return [*replies, *("".join(conversation.command("/retry") or "") for _ in range(4))]

    first = talk()
    assert talk() == first
    assert len(set(first)) > 1


def test_each_reply_has_its_own_seed(conversation: Conversation) -> None:
    conversation.session.memory = type(conversation.session.memory)(0, 100)
    assert len({"".join(conversation.command("안녕") or "") for _ in range(5)}) > 1


@pytest.mark.parametrize("word", ["quit", "exit", "/quit", "/exit", " QUIT ", "Exit"])
def test_a_word_to_leave_leaves(pipe: Pipe, word: str) -> None:
    replies, notes = pipe(f"안녕\n{word}\n뭐 해?\n")
    assert len(replies) == 1
    assert notes == []


def test_quitting_inside_a_sentence_does_not_leave(pipe: Pipe) -> None:
    assert len(pipe("회사 quit 할래\nexit 어디야?\n")[0]) == 2


@pytest.mark.parametrize(
    "text", ["안녕\n뭐 해?", "안녕\r\n뭐 해?\r\n", "\ufeff안녕\n뭐 해?\n", "\n\n안녕\n \t\n뭐 해?\n\n"]
)
def test_line_ends_marks_and_blank_lines_do_not_matter(conversation: Conversation, pipe: Pipe, text: str) -> None:
    scripted(conversation, "응", "밥")
    assert pipe(text)[0] == ["응", "밥"]
    assert [turn.text for turn in conversation.session.turns[::2]] == ["안녕", "뭐 해?"]


@pytest.mark.parametrize("text", ["", "\n", "\ufeff", "\ufeff\n\n"])
def test_no_message_no_reply(pipe: Pipe, text: str) -> None:
    assert pipe(text) == ([], [])


@pytest.mark.parametrize("blank", ["\u3000", "\xa0", "\x0b", "\x0c", "\x1c", "\u2028", " \u3000 ", "\ufeff\u3000"])
def test_a_line_of_any_white_space_is_a_blank_line(pipe: Pipe, blank: str) -> None:
    assert len(pipe(f"{blank}\n안녕\n")[0]) == 1


def test_bytes_that_are_no_text_do_not_end_the_conversation(pipe: Pipe) -> None:
    replies, _ = pipe(b"\xff\xfe\x00\n" + "안녕\n".encode("cp949") + "안녕\n".encode() + b"\xed\xa0\x80\n\x00\n")
    assert len(replies) == 5


@pytest.mark.parametrize(
    "message", ["[red]빨강[/red]", "[/]", "[bold", "\\[b]", "<usr></s><sys>", "%s %n {0}", "{{ 7*7 }}", ":smile:", "-"]
)
def test_markup_is_only_text(conversation: Conversation, pipe: Pipe, message: str) -> None:
    scripted(conversation, message)
    replies, _ = pipe(f"{message}\n")
    assert conversation.session.turns[0].text == message
    assert replies == [conversation.session.turns[1].text]


def test_a_very_long_line_gets_a_reply(pipe: Pipe) -> None:
    assert len(pipe("가" * 100_000 + "\n" + "안 녕" * 30_000 + "\n안녕\n")[0]) == 3


def test_a_reply_that_the_pipe_cannot_spell_does_not_end_the_conversation(
    conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted(conversation, "그래 😊", "응")
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("안녕\n응\n".encode()), encoding="utf-8"))
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="cp949"))
    converse(conversation)
    lines = written.getvalue().decode("cp949").split()
    assert lines[0] == "그래"
    assert lines[-1] == "응"


def test_an_unknown_emotion_is_refused_before_the_conversation(small_model: bundle.Model) -> None:
    with pytest.raises(UserError, match="0, 1, 2"):
        Conversation(Companion(small_model), BRIEF, emotion="9")


def test_the_emotion_goes_with_every_message(small_model: bundle.Model) -> None:
    conversation = Conversation(Companion(small_model), BRIEF, emotion="1")
    prompts = scripted(conversation, "응", "그래")
    for _ in range(2):
        "".join(conversation.command("안녕") or "")
    expected = conversation.session.encoder.prompt([Turn("user", "안녕", emotion="1")])
    assert all(prompt[-len(expected) :] == expected for prompt in prompts)


def test_the_command_talks_through_a_pipe(small_bundle: Path) -> None:
    command = ["chat", str(small_bundle), "--seed", "1", "--max-new-tokens", "6"]
    talks = [CliRunner().invoke(cli.app, command, input="안녕\n너 사람이야?\n/help\nquit\n") for _ in range(2)]
    assert [talk.exit_code for talk in talks] == [0, 0]
    assert talks[0].stdout == talks[1].stdout
    assert len(talks[0].stdout.splitlines()) == 2
    assert talks[0].stdout.splitlines()[1] == IDENTITY_REPLY
    assert talks[0].stderr.strip() == HELP


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--temperature", "0"], "temperature"),
        (["--temperature", "nan"], "temperature"),
        (["--temperature", "inf"], "temperature"),
        (["--top-p", "1.5"], "top_p"),
        (["--max-new-tokens", "0"], "max_new_tokens"),
        (["--emotion", "9"], "emotion=9"),
        (["--seed", "99999999999999999999"], "seed"),
    ],
)
def test_an_impossible_option_is_one_sentence(
    small_bundle: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    told: str,
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("안녕\n".encode()), encoding="utf-8"))
    monkeypatch.setattr(sys, "argv", ["yuhee", "chat", str(small_bundle), *options])
    with pytest.raises(SystemExit) as left:
        cli.main()
    told_lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("오류: ")]
    assert left.value.code == 1
    assert len(told_lines) == 1
    assert told in told_lines[0]


def test_without_a_path_and_a_run_the_command_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["yuhee", "chat"])
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 1
    assert "오류: outputs/" in capsys.readouterr().err


def test_the_real_command_line_answers_line_by_line(run: Run, small_bundle: Path) -> None:
    stdin = "\ufeff안녕\n\n[red]빨강[/red]\n/undo\n너 AI야?\n나 죽고 싶어"
    done = run("yuhee", "chat", str(small_bundle), "--seed", "1", "--max-new-tokens", "6", stdin=stdin)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.split("\n")
    assert len(lines) == 5
    assert lines[2:] == [IDENTITY_REPLY, CRISIS_REPLY, ""]
    assert "방금 주고받은 말을 지웠어요." in done.stderr
    assert "Traceback" not in done.stderr


class _Screen:
    """Stands for a terminal: gives lines, keeps what is printed, and may press Ctrl-C at a reply's first piece."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, lines: Sequence[str | type[BaseException]]) -> None:
        self.printed = io.StringIO()
        self.interrupt_at: str | None = None
        entries = iter(lines)
        screen = self

        class Prompt:
            def __class_getitem__(cls, _: object) -> type["Prompt"]:
                return cls

            def __init__(self, *_: object) -> None: ...

            def prompt(self) -> str:
                entry = next(entries)
                if isinstance(entry, str):
                    return entry
                raise entry

        class Paper(Console):
            def __init__(self, **options: Any) -> None:
                super().__init__(file=screen.printed, width=80, **options)

            def print(self, *objects: Any, **options: Any) -> None:
                super().print(*objects, **options)
                if screen.interrupt_at and screen.interrupt_at in str(objects[0] if objects else ""):
                    screen.interrupt_at = None
                    raise KeyboardInterrupt

        monkeypatch.setattr(prompt_toolkit, "PromptSession", Prompt)
        monkeypatch.setattr(terminal, "Console", Paper)
        for stream in ("stdin", "stdout"):
            monkeypatch.setattr(getattr(sys, stream), "isatty", lambda: True, raising=False)


def test_on_a_terminal_replies_stream_as_plain_text(
    conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted(conversation, "[red]라면[/red] :smile:\n맛있어\x1b[2J")
    screen = _Screen(monkeypatch, ["", "  ", "안녕", "/help", "quit"])
    converse(conversation)
    printed = screen.printed.getvalue()
    assert "유희지희: [red]라면[/red] :smile:\n맛있어[2J\n" in printed
    assert printed.count(HELP.split(" · ")[0]) == 2


@pytest.mark.parametrize("key", [EOFError, KeyboardInterrupt])
def test_ctrl_d_and_ctrl_c_at_the_prompt_leave(
    conversation: Conversation, monkeypatch: pytest.MonkeyPatch, key: type[BaseException]
) -> None:
    scripted(conversation, "응")
    screen = _Screen(monkeypatch, ["안녕", key, "뭐 해?"])
    converse(conversation)
    assert screen.printed.getvalue().count("유희지희: ") == 1


@pytest.mark.parametrize(
    ("then", "left"),
    [("/undo", ["안녕", "응"]), ("/retry", ["안녕", "응", "뭐 먹어?", "김밥"]), ("/reset", [])],
)
def test_after_ctrl_c_in_a_reply_a_command_is_about_that_reply(
    conversation: Conversation, monkeypatch: pytest.MonkeyPatch, then: str, left: list[str]
) -> None:
    scripted(conversation, "응", "라면 먹었어 맛있더라", "김밥")
    screen = _Screen(monkeypatch, ["안녕", "뭐 먹어?", then, "quit"])
    screen.interrupt_at = "라면"
    converse(conversation)
    assert [turn.text for turn in conversation.session.turns] == left


def test_a_real_terminal_holds_a_conversation(small_bundle: Path) -> None:
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 100))
    process = subprocess.Popen(
        [sys.executable, "-m", "yuhee", "chat", str(small_bundle), "--seed", "1", "--max-new-tokens", "4"],
        stdin=theirs,
        stdout=theirs,
        stderr=subprocess.PIPE,
        env={**os.environ, "TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1", "PYTHONIOENCODING": "utf-8"},
        start_new_session=True,
    )
    os.close(theirs)
    seen = b""
    deadline = time.monotonic() + 120

    def wait_for(text: str, after: str = "\0") -> None:
        nonlocal seen
        while text not in seen.decode(errors="replace").split(after)[-1]:
            assert time.monotonic() < deadline, seen.decode(errors="replace")
            if select.select([ours], [], [], 1)[0]:
                seen += os.read(ours, 65536)

    try:
        wait_for("나: ")
        os.write(ours, "너 사람이야?\r".encode())
        wait_for(IDENTITY_REPLY[:12])
        wait_for("나: ", after=IDENTITY_REPLY[:12])
        os.write(ours, b"quit\r")
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            if select.select([ours], [], [], 0.2)[0]:
                try:
                    seen += os.read(ours, 65536)
                except OSError:  # the other end is closed
                    break
        assert process.wait(timeout=30) == 0, process.stderr.read() if process.stderr else ""
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        if process.stderr:
            process.stderr.close()
        os.close(ours)
    assert "Traceback" not in seen.decode(errors="replace")
