"""What `data=kakaotalk` reads: an accepted import, and only while its bytes are those that were accepted."""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.data.test_importing import WINDOWS, accepted, chat, imported, mode, plain_masker
from yuhee.data.corpora import imported as reader
from yuhee.data.receipt import Receipt, check_receipt, read_receipt, receipt_path
from yuhee.data.report import ReadReport, origin_of
from yuhee.errors import UserError
from yuhee.training import compose_config, parse_config

__all__ = ["plain_masker"]  # a fixture for every test here too


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """An accepted import."""
    return imported(WINDOWS, tmp_path / "mine.jsonl")


def refusal(out: Path | str) -> str:
    with pytest.raises(UserError) as caught:
        accepted(out)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def values(out: Path) -> dict[str, Any]:
    return dict(json.loads(receipt_path(out).read_text(encoding="utf-8")))


def rewrite(out: Path, text: str | bytes) -> None:
    receipt_path(out).write_bytes(text.encode() if isinstance(text, str) else text)


def test_the_receipt_says_what_was_decided_about_which_bytes(out: Path) -> None:
    assert receipt_path(out) == out.with_name("mine.jsonl.report.json")
    assert mode(receipt_path(out)) == 0o600
    report = values(out).pop("report")
    assert values(out) == {
        "format": "yuhee-import/1",
        "sha256": hashlib.sha256(out.read_bytes()).hexdigest(),
        "decision": {"accepted": True, "masked": True},
        "origins": [origin_of(WINDOWS)],
        "report": report,
    }
    assert report["dialogues"] == 2
    assert report["origins"] == [origin_of(WINDOWS)]


def test_an_accepted_import_is_read(out: Path) -> None:
    corpus = accepted(out)
    assert (len(corpus.dialogues), corpus.private, corpus.unmasked) == (2, True, False)
    assert corpus.report.privacy == "masked"
    assert corpus.report.origins == [origin_of(out), origin_of(WINDOWS)]


def test_a_raw_export_is_refused_with_the_command_to_type(tmp_path: Path) -> None:
    config = parse_config(compose_config(["data=kakaotalk", f"data.path={WINDOWS}"]))
    with pytest.raises(UserError) as caught:
        config.data.read()
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{WINDOWS}: ")
    assert "yuhee import " in message
    assert all(option in message for option in ("--me", "--friend", "--out", "--accept"))


def test_any_dialogue_file_without_a_receipt_is_refused(tmp_path: Path, out: Path) -> None:
    copy = tmp_path / "copy.jsonl"
    copy.write_bytes(out.read_bytes())
    assert "yuhee import" in refusal(copy)


def test_no_path_a_missing_file_and_a_folder_are_one_sentence(tmp_path: Path) -> None:
    for path, sentence in ((None, "data.path"), ("nope.jsonl", "파일이 없습니다"), (str(tmp_path), "폴더")):
        with pytest.raises(UserError, match=sentence):
            list(reader.read(path, ReadReport("kakaotalk")))


def test_what_was_not_accepted_is_refused(tmp_path: Path) -> None:
    assert "--accept" in refusal(imported(WINDOWS, "mine.jsonl", "--ask"))


@pytest.mark.parametrize("word", ["true", 1, "yes", None, [], {"accepted": True}])
def test_only_true_is_an_acceptance(out: Path, word: object) -> None:
    rewrite(out, json.dumps({**values(out), "decision": {"accepted": word, "masked": True}}))
    assert "아직 받아들이지 않은" in refusal(out)


@pytest.mark.parametrize("word", ["true", 1, None])
def test_only_true_is_a_masked_file(out: Path, word: object) -> None:
    rewrite(out, json.dumps({**values(out), "decision": {"accepted": True, "masked": word}}))
    assert accepted(out).unmasked


CHANGES: dict[str, Callable[[bytes], bytes]] = {
    "a byte more": lambda data: data + b"\n",
    "a byte less": lambda data: data[:-1],
    "empty": lambda data: b"",
    "a BOM": lambda data: b"\xef\xbb\xbf" + data,
    "CRLF": lambda data: data.replace(b"\n", b"\r\n"),
    "twice": lambda data: data * 2,
    "its lines in another order": lambda data: b"".join(reversed(data.splitlines(keepends=True))),
}


@pytest.mark.parametrize("change", CHANGES)
def test_changed_bytes_are_refused(out: Path, change: str) -> None:
    changed = CHANGES[change](out.read_bytes())
    assert changed != out.read_bytes()
    out.write_bytes(changed)
    assert "SHA-256" in refusal(out)


@given(place=st.integers(0, 2**20), bit=st.integers(0, 7))
def test_one_flipped_bit_is_refused(tmp_path_factory: pytest.TempPathFactory, place: int, bit: int) -> None:
    out = tmp_path_factory.mktemp("bit") / "mine.jsonl"
    data = '{"messages": [{"role": "assistant", "content": "응"}]}\n'.encode()
    out.write_bytes(data)
    Receipt(hashlib.sha256(data).hexdigest(), True, True, [], {}).write(out)
    assert check_receipt(out).accepted
    flipped = bytearray(data)
    flipped[place % len(data)] ^= 1 << bit
    out.write_bytes(flipped)
    with pytest.raises(UserError, match="SHA-256"):
        check_receipt(out)


def test_the_bytes_count_not_the_clock_and_they_may_come_back(out: Path) -> None:
    data = out.read_bytes()
    os.utime(out, (0, 0))
    assert len(accepted(out).dialogues) == 2
    out.write_bytes(data + b" ")
    refusal(out)
    out.write_bytes(data)
    assert len(accepted(out).dialogues) == 2


def test_the_receipt_of_one_import_does_not_open_another(tmp_path: Path, out: Path) -> None:
    other = imported(chat(tmp_path, ("밥 먹었어?", "아직")), "other.jsonl", "--ask")
    rewrite(other, receipt_path(out).read_bytes())
    assert "SHA-256" in refusal(other)


def test_an_import_may_move_together_with_its_receipt(tmp_path: Path, out: Path) -> None:
    moved = tmp_path / "새 폴더" / "딴 이름.jsonl"
    moved.parent.mkdir()
    receipt_path(out).rename(receipt_path(moved))
    out.rename(moved)
    assert len(accepted(moved).dialogues) == 2


DAMAGED: dict[str, str | bytes] = {
    "empty": "",
    "cut": '{"format": "yuhee-import/1", "sha256": "ab',
    "a list": "[]",
    "null": "null",
    "a number": "1",
    "NUL": b"\0" * 100,
    "not UTF-8": b'{"format": "\xff"}',
    "deep": "[" * 100_000,
    "a long number": "1" * 10_000,
    "nothing in it": "{}",
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_receipt_is_refused_with_what_to_type(out: Path, damage: str) -> None:
    rewrite(out, DAMAGED[damage])
    message = refusal(out)
    assert message.startswith(f"{receipt_path(out)}: ")
    assert f"--out {out}" in message


@pytest.mark.parametrize("wrong", [None, 1, "x", [1], {"a": 1}], ids=repr)
@pytest.mark.parametrize("key", ["format", "sha256", "decision"])
def test_a_receipt_with_a_wrong_or_missing_value_never_opens_anything(out: Path, key: str, wrong: object) -> None:
    whole = values(out)
    rewrite(out, json.dumps({**whole, key: wrong}))
    refusal(out)
    rewrite(out, json.dumps({name: value for name, value in whole.items() if name != key}))
    refusal(out)


@pytest.mark.parametrize("key", ["origins", "report"])
def test_a_receipt_without_its_other_parts_is_damaged(out: Path, key: str) -> None:
    rewrite(out, json.dumps({name: value for name, value in values(out).items() if name != key}))
    assert "읽을 수 없는 보고서" in refusal(out)


def test_a_receipt_of_another_edition_is_not_guessed_at(out: Path) -> None:
    rewrite(out, json.dumps({**values(out), "format": "yuhee-import/2"}))
    assert "읽을 수 없는 보고서" in refusal(out)


def test_a_folder_in_the_place_of_a_receipt_is_none(out: Path) -> None:
    receipt_path(out).unlink()
    receipt_path(out).mkdir()
    assert "yuhee import" in refusal(out)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
RECEIPT = st.fixed_dictionaries(
    {"format": st.just("yuhee-import/1"), "sha256": JSON, "decision": JSON, "origins": JSON, "report": JSON}
)


@given(st.binary(max_size=40) | (JSON | RECEIPT).map(lambda value: json.dumps(value).encode()))
def test_whatever_stands_in_a_receipt_it_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    out = tmp_path_factory.mktemp("any") / "mine.jsonl"
    out.write_bytes(b"{}\n")
    rewrite(out, content)
    with pytest.raises(UserError):
        check_receipt(out)
    try:
        receipt = read_receipt(out)
    except UserError:
        return
    assert {type(value) for value in (receipt.accepted, receipt.masked)} == {bool}
    assert all(isinstance(origin, str) for origin in receipt.origins)
