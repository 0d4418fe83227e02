"""`yuhee import` as people type it: what it writes, what it refuses, and that nothing is ever half there."""

import contextlib
import errno
import json
import os
import re
import resource
import signal
import stat
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from typer.testing import CliRunner, Result

from tests.conftest import one_sentence_error
from tests.data.test_kakaotalk import FIXTURES, TALK, VARIANTS
from yuhee.cli import app
from yuhee.data import import_command, importing
from yuhee.data.corpora import chat_jsonl
from yuhee.data.corpora import imported as out_reader
from yuhee.data.corpora.sniff import FORMATS
from yuhee.data.corpus import Corpus, read_corpus
from yuhee.data.dialogue import Dialogue, Turn, group_keys
from yuhee.data.report import WEEKDAYS, ReadReport
from yuhee.errors import UserError
from yuhee.training import compose_config, parse_config

WINDOWS = FIXTURES / "windows_ko.txt"
PHONE = "010-1234-5678"


class PlainMasker:
    """A masker whose work is easy to see: members become 친구0, 친구1 …, the one phone number becomes zeros."""

    def __init__(self, members: Iterable[str] = (), *, keep: Iterable[str] = ()) -> None:
        self.members = list(members)
        self.keep = tuple(keep)
        self.counts: Counter[str] = Counter()
        self.mapping: dict[str, str] = {}

    def mask(self, text: str) -> str:
        secrets = {name: f"친구{place}" for place, name in enumerate(self.members)} | {PHONE: "000-0000-0000"}
        for secret, dummy in secrets.items():
            if secret in text:
                self.counts["phone" if secret == PHONE else "name"] += text.count(secret)
                self.mapping[secret] = dummy
                text = text.replace(secret, dummy)
        return text

    def dialogue(self, dialogue: Dialogue) -> Dialogue:
        turns = tuple(
            replace(turn, text=self.mask(turn.text), speaker=turn.speaker and self.mask(turn.speaker))
            for turn in dialogue.turns
        )
        return replace(dialogue, turns=turns, group_keys=group_keys(turns))


@pytest.fixture(autouse=True)
def plain_masker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("yuhee.data.importing.Masker", PlainMasker)
    monkeypatch.setattr("yuhee.data.privacy.gate.Masker", PlainMasker)


def yuhee(*arguments: object) -> Result:
    """Run the command in this process; a defect keeps its traceback."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, UserError | KeyboardInterrupt | SystemExit):
        raise result.exception
    return result


def refused(*arguments: object) -> str:
    """The sentence with which the command refused."""
    result = yuhee(*arguments)
    assert isinstance(result.exception, UserError), result.output
    assert "\n" not in str(result.exception)
    return str(result.exception)


def imported(source: Path | str = WINDOWS, out: Path | str = "mine.jsonl", *more: str) -> Path:
    """Import an export of 김하늘's, accepted unless `more` says `--ask`; the file written."""
    flags = [each for each in more if each != "--ask"] + ([] if "--ask" in more else ["--accept"])
    result = yuhee("import", source, "--me", "김하늘", "--out", out, *flags)
    assert result.exit_code == 0, result.output
    return Path(out)


def records(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]


def contents(out: Path) -> list[list[str]]:
    return [[message["content"] for message in record["messages"]] for record in records(out)]


def accepted(out: Path | str) -> Corpus:
    """The corpus of `data=kakaotalk data.path=OUT`."""
    return read_corpus("kakaotalk", out_reader.read, str(out))


def chat(folder: Path, *talks: tuple[str, ...], name: str = "chat.txt") -> Path:
    """An export of 김하늘 and 이바다 speaking in turns, a day for each talk."""
    lines = ["이바다 님과 카카오톡 대화", "저장한 날짜 : 2022-05-01 09:00:00", ""]
    for day, talk in enumerate(talks, start=1):
        lines.append(f"--------------- 2022년 4월 {day}일 금요일 ---------------")
        lines += [f"[{('김하늘', '이바다')[n % 2]}] [오후 3:{n:02}] {text}" for n, text in enumerate(talk)]
    file = folder / name
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


TRIO = {"mine.jsonl", "mine.jsonl.report.json", "mine.jsonl.report.html"}


@pytest.mark.parametrize("file", VARIANTS, ids=lambda file: file.name)
def test_every_variant_is_imported_and_read_back(tmp_path: Path, file: Path) -> None:
    me = "Haneul" if b"Haneul" in file.read_bytes() else "김하늘"
    result = yuhee("import", file, "--me", me, "--out", "mine.jsonl", "--accept")
    assert result.exit_code == 0, result.output
    assert "형식: kakaotalk (" in result.output
    corpus = accepted("mine.jsonl")
    assert [[(t.role, t.text, str(t.time)[:16]) for t in d.turns] for d in corpus.dialogues] == TALK
    assert {turn.speaker for each in corpus.dialogues for turn in each.turns} == {"친구0", "친구1"}
    report = json.loads(Path("mine.jsonl.report.json").read_text(encoding="utf-8"))["report"]
    assert report["lines"] == sum(report["kinds"].values()) + report["continuations"] + len(report["skipped"])
    assert names(tmp_path) == TRIO


def test_parts_are_one_room_in_whatever_order_they_are_typed(tmp_path: Path) -> None:
    folder = imported(FIXTURES / "parts", "folder.jsonl")
    files = sorted((FIXTURES / "parts").iterdir(), reverse=True)
    assert yuhee("import", *files, "--me", "김하늘", "--out", "files.jsonl").exit_code == 0
    assert contents(Path("files.jsonl")) == contents(folder) == [["하나", "ㅋㅋ\nㅋㅋ", "둘", "열"]]


def test_other_formats_are_imported_with_their_own_options(tmp_path: Path) -> None:
    result = yuhee("import", FIXTURES.parent / "chat" / "yuhee.jsonl", "--out", "a.jsonl")
    assert result.exit_code == 0, result.output
    assert "형식: chat_jsonl (" in result.output
    table = tmp_path / "답.csv"
    table.write_text("물음,대답\n밥 먹었어?,아직\n", encoding="utf-8")
    options = ("--option", "question=물음", "--option", "answer=대답", "--option", "label=null")
    result = yuhee("import", table, "--format", "table", *options, "--out", "b.jsonl")
    assert result.exit_code == 0, result.output
    assert contents(Path("b.jsonl")) == [["밥 먹었어?", "아직"]]


def test_the_choice_of_the_side_and_of_the_silence_reach_the_reader(tmp_path: Path) -> None:
    friend = imported(WINDOWS, "friend.jsonl")
    me = imported(WINDOWS, "me.jsonl", "--bot-side", "me")
    assert [m["role"] for m in records(friend)[0]["messages"]] == ["user", "assistant", "user"]
    assert [m["role"] for m in records(me)[0]["messages"]] == ["assistant", "user", "assistant"]
    assert len(records(imported(WINDOWS, "both.jsonl", "--bot-side", "both"))) == 4
    assert len(records(imported(WINDOWS, "long.jsonl", "--session-gap", "12"))) == 1


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--format", "kakaotlk"], r"--format kakaotlk: .*kakaotalk"),
        (["--option", "domain"], r"--option domain: .*이름=값"),
        (["--option", "sesion_gap=3"], r"--sesion-gap: .*비슷한 이름: session_gap"),
        (["--option", "path=/etc/passwd"], r"--path: "),
        (["--option", "report=1"], r"--report: "),
        (["--me", "박솔"], r'--me "박솔": .*김하늘'),
        (["--session-gap", "0"], r"--session-gap 0"),
        (["--session-gap", "nan"], r"--session-gap nan"),
        (["--bot-side", "they"], r"--bot-side they: friend, me, both"),
    ],
)
def test_a_wrong_choice_is_one_sentence_and_writes_nothing(tmp_path: Path, more: list[str], sentence: str) -> None:
    assert re.match(sentence, refused("import", WINDOWS, "--me", "김하늘", "--out", "mine.jsonl", *more))
    assert names(tmp_path) == set()


def test_who_is_who_is_asked_with_the_names(tmp_path: Path) -> None:
    message = refused("import", WINDOWS, "--out", "mine.jsonl")
    assert "--me" in message
    assert "김하늘" in message
    assert "이바다" in message
    assert names(tmp_path) == set()


def test_files_of_different_formats_are_not_thrown_together(tmp_path: Path) -> None:
    other = FIXTURES.parent / "chat" / "yuhee.jsonl"
    assert "kakaotalk, chat_jsonl" in refused("import", WINDOWS, other, "--out", "mine.jsonl")


def test_an_option_of_another_format_is_named(tmp_path: Path) -> None:
    other = FIXTURES.parent / "chat" / "yuhee.jsonl"
    assert refused("import", other, "--me", "김하늘", "--out", "mine.jsonl").startswith(
        "--me: chat_jsonl 형식에는 없는"
    )


# What is written


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).filter(lambda text: text.strip())
TURN = st.builds(
    Turn,
    role=st.sampled_from(["user", "assistant"]),
    text=TEXT,
    emotion=st.none() | TEXT,
    speaker=st.none() | TEXT,
    time=st.none() | TEXT,
    weight=st.sampled_from([0, 1]),
)
JSON = st.recursive(st.none() | st.booleans() | st.integers() | TEXT, lambda inner: st.dictionaries(TEXT, inner))
DIALOGUE = st.builds(
    Dialogue,
    id=TEXT,
    turns=st.lists(TURN, min_size=1, max_size=4),
    group_keys=st.lists(TEXT, min_size=1, max_size=3, unique=True),
    source=TEXT,
    meta=st.dictionaries(TEXT, JSON, max_size=2),
)


@settings(max_examples=30)  # each makes files
@given(st.lists(DIALOGUE, min_size=1, max_size=3), st.booleans())
def test_what_is_written_is_read_back_exactly(
    tmp_path_factory: pytest.TempPathFactory, dialogues: list[Dialogue], found_again: bool
) -> None:
    if found_again:
        dialogues = [replace(each, group_keys=group_keys(each.turns)) for each in dialogues]
    folder = tmp_path_factory.mktemp("round", numbered=True)

    def reader(path: str | None, report: ReadReport) -> Iterator[Dialogue]:
        yield from dialogues

    with importing.Import("x", reader, [folder / "in"], folder / "out.jsonl", mask=False) as job:
        job.read()
        job.finish(accepted=True)
    report = ReadReport("x")
    again = list(chat_jsonl.read(str(folder / "out.jsonl"), report))
    assert again == dialogues
    assert [each.meta for each in again] == [each.meta for each in dialogues]
    assert report.skipped == []


def test_keys_that_the_reader_finds_again_are_left_out(tmp_path: Path) -> None:
    [first, _] = records(imported())
    assert set(first) == {"format", "id", "messages", "source", "meta"}
    assert first["format"] == "yuhee/1"
    [message, *_] = first["messages"]
    assert set(message) == {"role", "content", "speaker", "time"}
    both = records(imported(WINDOWS, "both.jsonl", "--bot-side", "both", "--no-mask"))  # a key joins the two sides
    assert all("group_keys" in record for record in both)


def test_a_name_called_before_its_owner_speaks_is_masked(tmp_path: Path) -> None:
    out = imported(chat(tmp_path, ("이바다 있어?", f"응 {PHONE}")))
    assert contents(out) == [["친구1 있어?", "응 000-0000-0000"]]
    report = json.loads(Path("mine.jsonl.report.json").read_text(encoding="utf-8"))
    assert report["report"]["masked"] == {"name": 3, "phone": 1}
    assert report["report"]["privacy"] == "masked"
    assert report["decision"] == {"accepted": True, "masked": True}


def test_no_mask_writes_what_was_said_and_says_so(tmp_path: Path) -> None:
    source = chat(tmp_path, ("이바다 있어?", f"응 {PHONE}"))
    result = yuhee("import", source, "--me", "김하늘", "--out", "mine.jsonl", "--no-mask", "--accept")
    assert "비공개" in result.output
    assert contents(Path("mine.jsonl")) == [["이바다 있어?", f"응 {PHONE}"]]
    report = json.loads(Path("mine.jsonl.report.json").read_text(encoding="utf-8"))
    assert report["decision"] == {"accepted": True, "masked": False}
    assert (report["report"]["privacy"], report["report"]["masked"]) == ("unmasked", {})


def test_the_mapping_is_written_only_where_it_is_asked_for(tmp_path: Path) -> None:
    source = chat(tmp_path, ("이바다 있어?", f"응 {PHONE}"))
    imported(source)
    assert names(tmp_path) == {"chat.txt", *TRIO}
    for name in TRIO:
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert not any(secret in text for secret in ("김하늘", "이바다", PHONE, "chat.txt", str(tmp_path)))
    imported(source, "mine.jsonl", "--save-mapping", "names.json")
    mapping = {"김하늘": "친구0", "이바다": "친구1", PHONE: "000-0000-0000"}
    assert json.loads(Path("names.json").read_text(encoding="utf-8")) == mapping
    assert mode(Path("names.json")) == 0o600


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("umask", [0, 0o077])
def test_only_the_owner_may_read_what_was_written(tmp_path: Path, umask: int) -> None:
    old = os.umask(umask)
    try:
        imported(WINDOWS, "data/mine.jsonl")
        imported(WINDOWS, "data/mine.jsonl")  # over the first
    finally:
        os.umask(old)
    assert {name: oct(mode(tmp_path / "data" / name)) for name in TRIO} == dict.fromkeys(TRIO, "0o600")


# The decision


def test_without_a_terminal_and_without_accept_the_file_is_written_but_not_accepted(tmp_path: Path) -> None:
    result = yuhee("import", WINDOWS, "--me", "김하늘", "--out", "mine.jsonl")
    assert result.exit_code == 0
    assert "--accept를 붙여" in result.output
    assert "data=kakaotalk data.path=" not in result.output
    with pytest.raises(UserError, match=r"--accept"):
        accepted("mine.jsonl")


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[str | BaseException], list[str]]:
    """Sit a person at the terminal who gives this answer; the list fills with what they had seen by then."""

    def answer(said: str | BaseException) -> list[str]:
        asked: list[str] = []

        def ask(console: Console, prompt: str = "") -> str:
            asked.append(prompt)
            if isinstance(said, BaseException):
                raise said
            return said

        monkeypatch.setattr(Console, "input", ask)
        monkeypatch.setattr(import_command, "sys", Terminal)
        return asked

    return answer


class Terminal:
    class stdin:  # noqa: N801
        @staticmethod
        def isatty() -> bool:
            return True

    stdout = stdin


@pytest.mark.parametrize(
    ("said", "taken"),
    [("y", True), (" Y ", True), ("네", True), ("예", True), ("", False), ("n", False), ("yeah nah", False)],
)
def test_a_person_at_a_terminal_is_asked(
    tmp_path: Path, terminal: Callable[[str], list[str]], said: str, taken: bool
) -> None:
    asked = terminal(said)
    assert yuhee("import", WINDOWS, "--me", "김하늘", "--out", "mine.jsonl").exit_code == 0
    assert len(asked) == 1
    decision = json.loads(Path("mine.jsonl.report.json").read_text(encoding="utf-8"))["decision"]
    assert decision == {"accepted": taken, "masked": True}


def test_who_accepted_beforehand_is_not_asked(tmp_path: Path, terminal: Callable[[str], list[str]]) -> None:
    asked = terminal("n")
    imported()
    assert asked == []
    assert len(accepted("mine.jsonl").dialogues) == 2


@pytest.mark.parametrize("leaving", [KeyboardInterrupt(), EOFError()], ids=["ctrl-c", "ctrl-d"])
def test_leaving_at_the_question_writes_nothing(
    tmp_path: Path, terminal: Callable[[BaseException], list[str]], leaving: BaseException
) -> None:
    terminal(leaving)
    with contextlib.suppress(KeyboardInterrupt):
        yuhee("import", WINDOWS, "--me", "김하늘", "--out", "mine.jsonl")
    decided = Path("mine.jsonl.report.json")
    assert not decided.exists() or json.loads(decided.read_text(encoding="utf-8"))["decision"]["accepted"] is False
    assert not any(name.endswith(".partial") for name in names(tmp_path))


def broken_export(folder: Path) -> Path:
    file = folder / "chat.jsonl"
    good = {"messages": [{"role": "user", "content": "안녕"}, {"role": "assistant", "content": "응"}]}
    file.write_text(json.dumps(good, ensure_ascii=False) + "\n{oops\n", encoding="utf-8")
    return file


def test_strict_writes_nothing_if_a_line_was_not_understood(tmp_path: Path) -> None:
    source = broken_export(tmp_path)
    message = refused("import", source, "--out", "mine.jsonl", "--accept", "--strict")
    assert message.startswith("--strict: ")
    assert "1개" in message
    assert "2번째" in message
    assert names(tmp_path) == {"chat.jsonl"}
    result = yuhee("import", source, "--out", "mine.jsonl", "--accept")
    assert result.exit_code == 0
    assert "2번째" in result.output
    assert len(accepted("mine.jsonl").dialogues) == 1


def test_strict_leaves_an_earlier_import_alone(tmp_path: Path) -> None:
    out = imported()
    before = {name: (tmp_path / name).read_bytes() for name in TRIO}
    refused("import", broken_export(tmp_path), "--out", out, "--strict")
    assert {name: (tmp_path / name).read_bytes() for name in TRIO} == before


def test_nothing_to_learn_is_one_sentence_and_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"messages": []}\n', encoding="utf-8")
    message = refused("import", "a.jsonl", "--format", "chat_jsonl", "--out", "mine.jsonl", "--accept")
    assert "1번째 줄" in message
    assert names(tmp_path) == {"a.jsonl"}


# Where OUT may be


def test_out_may_not_be_a_folder(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for out in ("data", "data/", ".", "/"):
        assert "폴더" in refused("import", WINDOWS, "--me", "김하늘", "--out", out)
    assert names(tmp_path) == {"data"}


@pytest.mark.parametrize("spelling", ["same", "./same", "sub/../same", "symlink", "hardlink", "absolute"])
def test_out_may_not_be_the_input_however_it_is_spelled(tmp_path: Path, spelling: str) -> None:
    source = tmp_path / "chat.txt"
    source.write_bytes(WINDOWS.read_bytes())
    (tmp_path / "sub").mkdir()
    (tmp_path / "chat.txt.report.json").write_text("{}", encoding="utf-8")  # even then
    out = spelling.replace("same", "chat.txt").replace("absolute", str(source))
    if spelling == "symlink":
        Path(out).symlink_to(source)
    elif spelling == "hardlink":
        os.link(source, out)
    assert "같습니다" in refused("import", "chat.txt", "--me", "김하늘", "--out", out, "--accept")
    assert source.read_bytes() == WINDOWS.read_bytes()


def test_out_may_not_be_one_of_several_inputs(tmp_path: Path) -> None:
    for file in (FIXTURES / "parts").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    files = sorted(names(tmp_path))
    assert "같습니다" in refused("import", *files, "--me", "김하늘", "--out", files[1])
    assert (tmp_path / files[1]).read_bytes() == (FIXTURES / "parts" / files[1]).read_bytes()


def test_out_inside_the_folder_that_is_read(tmp_path: Path) -> None:
    (tmp_path / "chat.txt").write_bytes(WINDOWS.read_bytes())
    assert "덮어쓰지 않았습니다" in refused("import", ".", "--me", "김하늘", "--out", "chat.txt")
    first = imported(".").read_bytes()
    assert imported(".", "mine.jsonl", "--format", "kakaotalk").read_bytes() == first  # the old OUT is no export
    assert names(tmp_path) == {"chat.txt", *TRIO}


@pytest.mark.parametrize("content", [b"", b"diary\n"])
def test_a_foreign_file_is_never_overwritten(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "diary.txt").write_bytes(content)
    message = refused("import", WINDOWS, "--me", "김하늘", "--out", "diary.txt", "--accept")
    assert "덮어쓰지 않았습니다" in message
    assert (tmp_path / "diary.txt").read_bytes() == content
    assert names(tmp_path) == {"diary.txt"}


def test_folders_of_out_are_made_and_a_home_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "집"))
    imported(WINDOWS, "~/내 대화/첫 번째/mine.jsonl")
    assert names(tmp_path / "집" / "내 대화" / "첫 번째") == TRIO


def fail_at(monkeypatch: pytest.MonkeyPatch, ending: str, error: OSError) -> None:
    """Let opening of files for writing whose names end so fail."""
    real = os.open

    def open_(path: Any, flags: int, *rest: Any, **more: Any) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR) and str(path).endswith(ending):
            raise error
        return real(path, flags, *rest, **more)

    monkeypatch.setattr(os, "open", open_)


def test_a_read_only_folder_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_at(monkeypatch, ".partial", PermissionError(errno.EACCES, "Permission denied"))
    message = refused("import", WINDOWS, "--me", "김하늘", "--out", "mine.jsonl")
    assert message.startswith("mine.jsonl: 쓸 수 없습니다(Permission denied)")
    assert "--out" in message
    assert names(tmp_path) == set()


# Interrupted


@contextlib.contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let the system refuse to write more than so many bytes to a file, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("room", [0, 1, 500])
@pytest.mark.parametrize("before", [False, True], ids=["new", "over an accepted one"])
def test_a_full_disk_is_one_sentence_and_leaves_no_half_file(tmp_path: Path, before: bool, room: int) -> None:
    if before:
        imported()
    state = {name: (tmp_path / name).read_bytes() for name in names(tmp_path)}
    with largest_file(room):
        message = refused("import", WINDOWS, "--me", "김하늘", "--out", "mine.jsonl", "--accept")
    assert message.startswith("mine.jsonl: 쓸 수 없습니다(File too large)")
    assert {name: (tmp_path / name).read_bytes() for name in names(tmp_path)} == state


@pytest.mark.parametrize("before", [False, True], ids=["new", "over an accepted one"])
def test_ctrl_c_while_writing_leaves_no_half_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: bool
) -> None:
    if before:
        imported()
    state = {name: (tmp_path / name).read_bytes() for name in names(tmp_path)}
    real, seen = importing.as_record, Counter[str]()

    def interrupted(dialogue: Dialogue) -> dict[str, Any]:
        seen["records"] += 1
        if seen["records"] == 2:
            raise KeyboardInterrupt
        return real(dialogue)

    monkeypatch.setattr(importing, "as_record", interrupted)
    result = CliRunner().invoke(app, ["import", str(WINDOWS), "--me", "김하늘", "--out", "mine.jsonl", "--accept"])
    assert result.exit_code == 130
    assert seen["records"] == 2
    assert {name: (tmp_path / name).read_bytes() for name in names(tmp_path)} == state


@pytest.mark.parametrize("step", [1, 2, 3])
@pytest.mark.parametrize("before", [False, True], ids=["new", "over an accepted one"])
def test_a_crash_between_the_last_steps_never_leaves_new_bytes_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int, before: bool
) -> None:
    """OUT, its page and its receipt are put in place by one rename each; the machine stops before the n-th."""
    source = chat(tmp_path, ("밥 먹었어?", "아직"))
    if before:
        imported()
    old = (tmp_path / "mine.jsonl").read_bytes() if before else None
    real, done = Path.replace, Counter[str]()

    def stops(path: Path, target: Any) -> Path:
        done["renames"] += 1
        if done["renames"] >= step:
            raise KeyboardInterrupt
        return real(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", stops)
        CliRunner().invoke(app, ["import", str(source), "--me", "김하늘", "--out", "mine.jsonl", "--accept"])
    assert done["renames"] == step
    try:
        corpus = accepted("mine.jsonl")
    except UserError:
        return
    assert old is not None
    assert (tmp_path / "mine.jsonl").read_bytes() == old
    assert len(corpus.dialogues) == 2


BLOCKED = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job would ignore it
from yuhee.data import importing
real, count = importing.as_record, 0
def as_record(dialogue):
    global count
    count += 1
    if count == 2000:
        print("writing", flush=True)
        time.sleep(120)
    return real(dialogue)
importing.as_record = as_record
from yuhee.cli import main
sys.argv = ["yuhee", *sys.argv[1:]]
main()
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT], ids=["kill", "ctrl-c"])
def test_a_process_that_is_stopped_in_the_middle_leaves_no_half_file(tmp_path: Path, how: signal.Signals) -> None:
    out = imported()
    before = out.read_bytes()
    days = []
    for n in range(3000):
        day = date(2010, 1, 1) + timedelta(days=n)
        days.append(
            f"--------------- {day.year}년 {day.month}월 {day.day}일 {WEEKDAYS[day.weekday()]}요일 ---------------"
        )
        days += [f"[김하늘] [오후 3:00] 오늘은 뭐 해? {n}", "[이바다] [오후 3:01] 집이야"]
    source = tmp_path / "long.txt"
    source.write_text("\n".join(days) + "\n", encoding="utf-8")
    command: list[str | Path] = [
        sys.executable,
        "-c",
        BLOCKED,
        "import",
        source,
        "--me",
        "김하늘",
        "--out",
        out,
        "--accept",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert any("writing" in line for line in process.stdout)
        assert any(path.stat().st_size for path in tmp_path.iterdir() if path.name.endswith(".partial"))
        process.send_signal(how)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == (-signal.SIGKILL if how == signal.SIGKILL else 130)
    assert "Traceback" not in errors
    assert out.read_bytes() == before
    assert len(accepted(out).dialogues) == 2
    if how == signal.SIGINT:
        assert names(tmp_path) == {"long.txt", *TRIO}


def test_what_a_killed_import_left_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / ".mine.jsonl.partial").write_text("half a li", encoding="utf-8")
    (tmp_path / ".mine.jsonl.partial").chmod(0o600)
    assert contents(imported()) == [[text for _, text, _ in talk] for talk in TALK]


# Again


def test_another_import_replaces_file_report_and_decision(tmp_path: Path) -> None:
    out = imported()
    imported(chat(tmp_path, ("밥 먹었어?", "아직")))
    assert contents(out) == [["밥 먹었어?", "아직"]]
    assert len(accepted(out).dialogues) == 1
    imported(WINDOWS, out, "--ask")
    with pytest.raises(UserError, match="아직 받아들이지 않은"):
        accepted(out)


def test_the_same_import_gives_the_same_bytes(tmp_path: Path) -> None:
    imported()
    first = {name: (tmp_path / name).read_bytes() for name in TRIO}
    imported()
    assert {name: (tmp_path / name).read_bytes() for name in TRIO} == first


def test_a_damaged_receipt_is_no_obstacle_to_importing_again(tmp_path: Path) -> None:
    out = imported()
    Path("mine.jsonl.report.json").write_text("{", encoding="utf-8")
    imported()
    assert len(accepted(out).dialogues) == 2


def test_an_import_that_fails_leaves_the_accepted_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = imported()

    def broken(path: Any, report: ReadReport, **options: Any) -> Iterator[Dialogue]:
        yield Dialogue("a", (Turn("user", "안녕"), Turn("assistant", "응")))
        raise UserError("파일이 잘렸습니다.")

    monkeypatch.setitem(FORMATS, "chat_jsonl", broken)
    assert refused("import", WINDOWS, "--format", "chat_jsonl", "--out", out) == "파일이 잘렸습니다."
    assert len(accepted(out).dialogues) == 2
    assert names(tmp_path) == TRIO


def test_the_command_of_a_real_person_tells_a_mistake_in_one_sentence(
    tmp_path: Path, run: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    message = one_sentence_error(run("yuhee", "import", str(WINDOWS), "--me", "김하늘", "--out", "."))
    assert "폴더" in message


def test_the_configuration_reads_what_was_imported(tmp_path: Path) -> None:
    out = imported(WINDOWS, "내 대화, (둘)=1.jsonl")
    corpus = parse_config(compose_config(["data=kakaotalk", f"data.path={out}"])).data.read()
    assert [[t.text for t in d.turns] for d in corpus.dialogues] == [[text for _, text, _ in talk] for talk in TALK]
    assert corpus.private
    assert not corpus.unmasked
    assert corpus.report.origins[0] != corpus.report.origins[1]
