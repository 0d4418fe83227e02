"""Corners of `yuhee import` and `yuhee forget`: odd places, odd options, damaged neighbours, kills at bad moments."""

import errno
import json
import os
import subprocess
import sys
import unicodedata
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.data.test_importing import (
    BLOCKED,
    PHONE,
    WINDOWS,
    accepted,
    chat,
    imported,
    mode,
    names,
    plain_masker,
    refused,
    terminal,
    yuhee,
)
from tests.training.test_forget import export, impatient, out, trained
from yuhee import paths
from yuhee.cli import app
from yuhee.data import importing
from yuhee.data.corpora import chat_jsonl
from yuhee.data.corpus import read_corpus
from yuhee.data.dialogue import Dialogue, Turn
from yuhee.data.register import ending
from yuhee.data.report import WEEKDAYS
from yuhee.errors import UserError

__all__ = ["export", "impatient", "out", "plain_masker", "terminal"]  # fixtures for the tests here


def test_several_files_of_a_one_file_format(tmp_path: Path) -> None:
    for n in "ab":
        (tmp_path / f"{n}.jsonl").write_text(
            '{"messages":[{"role":"user","content":"안녕"},{"role":"assistant","content":"응"}]}\n'
        )
    assert "파일 하나만" in refused("import", "a.jsonl", "b.jsonl", "--out", "x.jsonl")
    assert names(tmp_path) == {"a.jsonl", "b.jsonl"}


@pytest.mark.parametrize("mark", ["[/b]", "[red]x[/red]", "[bold]"])
def test_markup_in_a_label_is_shown_as_text(tmp_path: Path, mark: str) -> None:
    (tmp_path / "a.jsonl").write_text(
        json.dumps(
            {"messages": [{"role": "user", "content": "안녕", "emotion": mark}, {"role": "assistant", "content": "응"}]}
        )
        + "\n"
    )
    result = yuhee("import", "a.jsonl", "--out", "x.jsonl")
    assert mark in result.output


@pytest.mark.parametrize(
    "option", ["me=5", "session_gap=abc", "bot_side=[1]", "session_gap=[1]", "me={}", "bot_side=they"]
)
def test_a_value_of_the_wrong_kind_is_one_sentence(tmp_path: Path, option: str) -> None:
    refused("import", WINDOWS, "--friend", "이바다", "--out", "x.jsonl", "--option", option)
    assert names(tmp_path) == set()


def test_a_number_as_a_name(tmp_path: Path) -> None:
    imported(chat(tmp_path, ("밥 먹었어?", "아직")).rename(tmp_path / "b.txt"), "x.jsonl", "--option", "session_gap=4")
    (tmp_path / "c.txt").write_text((tmp_path / "b.txt").read_text().replace("이바다", "77"))
    assert imported(tmp_path / "c.txt", "y.jsonl", "--option", "friend=77").stat().st_size > 0


@pytest.mark.parametrize(
    "place", ["a.txt/sub/x.jsonl", "a.txt/x.jsonl", "/proc/nope/x.jsonl", "x" * 250, "x" * 300, "x" * 240]
)
def test_an_impossible_place_is_one_sentence(tmp_path: Path, place: str) -> None:
    (tmp_path / "a.txt").write_text("x")
    refused("import", WINDOWS, "--me", "김하늘", "--out", place)
    assert names(tmp_path) == {"a.txt"}


def test_a_folder_where_the_receipt_should_stand_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl.report.json").mkdir()
    refused("import", WINDOWS, "--me", "김하늘", "--out", "x.jsonl")
    assert not (tmp_path / "x.jsonl").exists()


@pytest.mark.parametrize("part", [".report.html", ".report.json"])
def test_disk_full_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    real = os.open

    def full(path, flags, *rest, **more):
        if part in str(path) and "partial" in str(path):
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(path, flags, *rest, **more)

    monkeypatch.setattr(os, "open", full)
    refused("import", WINDOWS, "--me", "김하늘", "--out", "mine.jsonl", "--accept")
    monkeypatch.setattr(os, "open", real)
    assert not any(n.endswith(".partial") for n in names(tmp_path))


def test_write_private_leaves_no_partial(tmp_path: Path) -> None:
    with pytest.raises(UnicodeEncodeError):
        paths.write_private(tmp_path / "a", "\udc00")
    assert names(tmp_path) == set()


def test_crash_then_again_and_forget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Path.replace

    def stops(path, target):
        result = real(path, target)
        if Path(target).name == "mine.jsonl":
            raise KeyboardInterrupt
        return result

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", stops)
        CliRunner().invoke(app, ["import", str(WINDOWS), "--me", "김하늘", "--out", "mine.jsonl"])
    assert Path("mine.jsonl").exists()
    imported()


def test_save_mapping_over_the_export(tmp_path: Path) -> None:
    source = chat(tmp_path, ("밥 먹었어?", "아직"))
    before = source.read_bytes()
    refused("import", source, "--me", "김하늘", "--out", "mine.jsonl", "--save-mapping", source)
    assert source.read_bytes() == before


@pytest.mark.parametrize("place", ["mine.jsonl", "mine.jsonl.report.json", "diary.txt/map.json", ".", "diary.txt"])
def test_save_mapping_elsewhere(tmp_path: Path, place: str) -> None:
    (tmp_path / "diary.txt").write_text("diary")
    refused("import", WINDOWS, "--me", "김하늘", "--out", "mine.jsonl", "--save-mapping", place)
    assert names(tmp_path) == {"diary.txt"}


def test_a_readable_partial(tmp_path: Path) -> None:
    (tmp_path / ".mine.jsonl.partial").write_text("x")
    (tmp_path / ".mine.jsonl.partial").chmod(0o644)
    (tmp_path / ".mine.jsonl.report.json.partial").write_text("x")
    (tmp_path / ".mine.jsonl.report.json.partial").chmod(0o644)
    imported()
    assert mode(Path("mine.jsonl")) == 0o600
    assert mode(Path("mine.jsonl.report.json")) == 0o600


def test_a_partial_that_is_a_link(tmp_path: Path) -> None:
    (tmp_path / "diary").write_text("diary")
    (tmp_path / ".mine.jsonl.partial").symlink_to("diary")
    imported()
    assert (tmp_path / "diary").read_text() == "diary"


@pytest.mark.parametrize("content", ['{"origins": 5}', '{"origins": null}', '{"origins": [{}]}', "[" * 100000])
def test_foreign_report(tmp_path: Path, export: Path, out: Path, content: str) -> None:
    (tmp_path / "x.report.json").write_text(content)
    assert yuhee("forget", out, "--yes").exit_code == 0
    assert not out.exists()


@pytest.mark.parametrize("content", ['{"origins": 5}', '{"origins": null}', '{"origins": [{}]}'])
def test_foreign_run_report(tmp_path: Path, export: Path, out: Path, content: str) -> None:
    (tmp_path / "outputs").mkdir()
    (tmp_path / "outputs" / "read_report.json").write_text(content)
    assert yuhee("forget", out, "--yes").exit_code == 0
    assert not out.exists()


def test_a_foreign_neighbour(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("x")
    (tmp_path / "notes.report.json").write_text('{"mine": 1}')
    refused("forget", "notes", "--yes")
    assert names(tmp_path) == {"notes", "notes.report.json"}


def test_an_import_of_an_import(tmp_path: Path, export: Path, out: Path) -> None:
    second = tmp_path / "z.jsonl"
    assert yuhee("import", out, "--out", second, "--accept").exit_code == 0
    third = tmp_path / "a.jsonl"
    assert yuhee("import", second, "--out", third, "--accept").exit_code == 0
    run = trained("outputs/r", third, second)
    yuhee("forget", export, "--yes")
    assert not run.exists()
    assert not second.exists()
    assert not out.exists()
    assert not third.exists()


@pytest.mark.parametrize("typed", ["data/../data/mine.jsonl", "link.jsonl", "linked/mine.jsonl"])
def test_other_spellings(tmp_path: Path, export: Path, out: Path, typed: str) -> None:
    (tmp_path / "link.jsonl").symlink_to(out)
    (tmp_path / "linked").symlink_to(tmp_path / "data", target_is_directory=True)
    run = trained("outputs/r", out, export)
    r = yuhee("forget", typed, "--yes")
    assert r.exit_code == 0, r.exception
    assert not run.exists()
    assert not out.exists()


@pytest.mark.parametrize("typed", ["export/../export/chat.txt", "link.txt"])
def test_other_spellings_of_the_export(tmp_path: Path, export: Path, typed: str) -> None:
    (tmp_path / "link.txt").symlink_to(export)
    o = imported(typed, "data/mine.jsonl")
    assert yuhee("forget", export, "--yes").exit_code == 0
    assert not o.exists()
    assert export.exists()


def test_nfd(tmp_path: Path) -> None:
    f = tmp_path / unicodedata.normalize("NFD", "대화.txt")
    f.write_bytes(WINDOWS.read_bytes())
    o = imported(f)
    assert yuhee("forget", unicodedata.normalize("NFC", str(f)), "--yes").exit_code == 0
    assert not o.exists()


def test_a_run_that_holds_other_runs(tmp_path: Path, export: Path, out: Path) -> None:
    trained("outputs", out, export)
    other = trained("outputs/2026/other", tmp_path / "other.txt")
    yuhee("forget", out, "--yes")
    assert (other / "checkpoints/best.ckpt").exists()


def test_a_run_that_is_the_working_folder(tmp_path: Path, export: Path, out: Path) -> None:
    trained(".", out, export)
    (tmp_path / "diary").write_text("x")
    yuhee("forget", out, "--yes", "--outputs", ".")
    assert export.exists()
    assert (tmp_path / "diary").exists()


def test_nested_runs_both_found(tmp_path: Path, export: Path, out: Path) -> None:
    trained("outputs/r", out, export)
    trained("outputs/r/inner", out, export)
    assert yuhee("forget", out, "--yes").exit_code == 0
    assert not Path("outputs/r").exists()


def test_partial_left_by_a_kill_is_forgotten(tmp_path: Path, export: Path, out: Path) -> None:
    out.with_name(".mine.jsonl.partial").write_text("말")
    yuhee("forget", out, "--yes")
    assert names(out.parent) == set()


@pytest.mark.parametrize(
    ("text", "last"),
    [("◇가", "가"), ("내 번호 뒤는 7번", "번"), ("x응", "응"), ("했어ㅋㅋ", "했어"), ("오늘 ok", "오늘")],
)
def test_ending_is_syllables(text: str, last: str) -> None:
    assert ending(text) == last


def test_the_command_names_the_file(tmp_path: Path) -> None:
    f = tmp_path / "내 대화.txt"
    f.write_bytes(WINDOWS.read_bytes())
    with pytest.raises(UserError) as e:
        accepted(f)
    assert f"yuhee import '{f}'" in str(e.value)


def test_a_missing_column_names_the_option(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("물음,대답\n밥,국\n")
    assert "--option label=" in refused("import", "a.csv", "--format", "table", "--out", "x.jsonl")


def test_sigterm(tmp_path: Path) -> None:
    days = []
    for n in range(3000):
        day = date(2010, 1, 1) + timedelta(days=n)
        days.append(
            f"--------------- {day.year}년 {day.month}월 {day.day}일 {WEEKDAYS[day.weekday()]}요일 ---------------"
        )
        days += [f"[김하늘] [오후 3:00] 오늘은 뭐 해? {n}", "[이바다] [오후 3:01] 집이야"]
    (tmp_path / "long.txt").write_text("\n".join(days))
    with subprocess.Popen(
        [sys.executable, "-c", BLOCKED, "import", "long.txt", "--me", "김하늘", "--out", "mine.jsonl"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as p:
        assert any("writing" in line for line in p.stdout)
        p.terminate()
        p.wait(20)
    assert names(tmp_path) == {"long.txt"}


def test_an_unmasked_import_is_never_public(tmp_path: Path) -> None:
    o = imported(chat(tmp_path, (f"이바다 {PHONE}", "응")), "mine.jsonl", "--no-mask")
    with pytest.raises(UserError, match="가리지 않고"):
        read_corpus("chat_jsonl", chat_jsonl.read, str(o), public=True)


def test_ctrl_d_is_no(tmp_path: Path, terminal: Any) -> None:
    terminal(EOFError())
    r = yuhee("import", WINDOWS, "--me", "김하늘", "--out", "mine.jsonl")
    assert "Abort" not in r.output


def test_a_folder_can_be_imported_again(tmp_path: Path) -> None:
    (tmp_path / "chat.txt").write_bytes(WINDOWS.read_bytes())
    first = imported(".", "mine.jsonl").read_bytes()
    assert imported(".", "mine.jsonl").read_bytes() == first  # what the first import wrote is not read


def test_two_imports_have_two_partials(tmp_path: Path) -> None:
    def reader(path, report):
        yield Dialogue("a", (Turn("assistant", "응"),))

    with (
        importing.Import("x", reader, [tmp_path / "in"], tmp_path / "o.jsonl", mask=False) as one,
        importing.Import("x", reader, [tmp_path / "in"], tmp_path / "o.jsonl", mask=False) as two,
    ):
        one.read()
        two.read()
        assert len([n for n in names(tmp_path) if n.endswith(".partial")]) == 2
