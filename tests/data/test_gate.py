"""Fails closed: what comes from a user's own file is masked, whatever the reader and whatever was accepted."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import dialogue
from tests.data.test_importing import PHONE, PlainMasker, accepted, chat, imported, plain_masker, yuhee
from yuhee.data.corpora import chat_jsonl
from yuhee.data.corpus import Corpus, read_corpus
from yuhee.data.dialogue import Dialogue, Turn
from yuhee.data.digests import corpus_hash
from yuhee.data.mix import Ingredient, mixed
from yuhee.data.privacy import gate
from yuhee.data.report import ReadReport
from yuhee.errors import UserError
from yuhee.training import compose_config, parse_config

__all__ = ["plain_masker"]  # a fixture for every test here too

TALK = Dialogue("a", (Turn("user", f"이바다 {PHONE}", speaker="김하늘"), Turn("assistant", "응", speaker="이바다")))
PLAIN, MASKED = f"이바다 {PHONE}", "친구1 000-0000-0000"


def through(report: ReadReport, *dialogues: Dialogue, public: bool = False) -> list[Dialogue]:
    return list(gate.protect(iter(dialogues), report, public=public))


def first_text(corpus: Corpus) -> str:
    return corpus.dialogues[0].turns[0].text


def configured(*overrides: str) -> Corpus:
    return parse_config(compose_config(list(overrides))).data.read()


def test_by_default_everything_is_masked_and_counted() -> None:
    report = ReadReport("x")
    [found] = through(report, TALK)
    assert [turn.text for turn in found.turns] == [MASKED, "응"]
    assert [turn.speaker for turn in found.turns] == ["친구0", "친구1"]
    assert (report.privacy, report.private, report.masked) == ("masked", True, {"name": 3, "phone": 1})


def test_names_are_those_of_all_speakers_of_the_whole_corpus() -> None:
    late = Dialogue("b", (Turn("assistant", "나 왔어", speaker="박솔"),))
    early = dialogue("박솔 어디야?", "몰라")
    assert [turn.text for turn in through(ReadReport("x"), early, late)[0].turns] == ["친구0 어디야?", "몰라"]
    assert gate.members([TALK, late, TALK, early]) == ["김하늘", "이바다", "박솔"]


def test_our_own_names_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[PlainMasker] = []

    def masker(members: Iterable[str] = (), *, keep: Iterable[str] = ()) -> PlainMasker:
        made.append(PlainMasker(members, keep=keep))
        return made[-1]

    monkeypatch.setattr(gate, "Masker", masker)
    through(ReadReport("x"), TALK)
    through(ReadReport("x", privacy="masked"), TALK)
    assert [each.keep for each in made] == [("유희", "유희지희")] * 2
    assert [each.members for each in made] == [["김하늘", "이바다"], []]  # pseudonyms get no second pseudonym


def test_a_public_corpus_is_what_the_user_says_or_what_the_reader_recognises() -> None:
    said, recognised = ReadReport("x"), ReadReport("x", private=False)
    assert through(said, TALK, public=True) == through(recognised, TALK) == [TALK]
    assert [(report.private, report.privacy) for report in (said, recognised)] == [(False, "public")] * 2


def test_what_was_masked_at_import_is_masked_again_without_names() -> None:
    report = ReadReport("x", privacy="masked")
    [found] = through(report, TALK)
    assert found.turns[0].text == "이바다 000-0000-0000"
    assert (report.private, report.privacy) == (True, "masked")


@pytest.mark.parametrize("public", [False, True])
def test_an_import_that_the_user_refused_to_mask_stays_private(public: bool) -> None:
    report = ReadReport("x", privacy="unmasked")
    assert through(report, TALK, public=public) == [TALK]
    assert (report.private, report.privacy, report.masked) == (True, "unmasked", {})


def test_the_reader_settles_the_matter_while_it_reads() -> None:
    """A generator says `unmasked` or `public` at its first step: not before it has begun."""

    def read(path: str | None, report: ReadReport) -> Iterator[Dialogue]:
        report.privacy = "unmasked"
        yield TALK

    corpus = read_corpus("x", read, None)
    assert corpus.unmasked
    assert first_text(corpus) == PLAIN


def test_a_reader_that_fails_late_lets_nothing_through() -> None:
    def read(path: str | None, report: ReadReport) -> Iterator[Dialogue]:
        yield TALK
        raise UserError("파일이 잘렸습니다.")

    report = ReadReport("x")
    with pytest.raises(UserError, match="잘렸습니다"):
        next(gate.protect(read(None, report), report))


def test_a_file_that_no_reader_yields_anything_from() -> None:
    report = ReadReport("x")
    assert through(report) == []
    assert report.privacy == "masked"


# Every way in


def own_files(folder: Path) -> dict[str, list[str]]:
    """Overrides that read the same personal sentence out of a file of the user's own."""
    (folder / "own.jsonl").write_text(
        json.dumps({"messages": [{"role": "user", "content": PHONE}, {"role": "assistant", "content": "응"}]}) + "\n",
        encoding="utf-8",
    )
    (folder / "own.csv").write_text(f"question,answer\n{PHONE},응\n", encoding="utf-8")
    (folder / "songys.csv").write_text(f"Q,A,label\n{PHONE},응,0\n", encoding="utf-8")
    (folder / "keti.txt").write_text(f"1\t{PHONE}\n2\t응\n", encoding="utf-8")
    columns = ["data.reader.question=question", "data.reader.answer=answer", "data.reader.label=null"]
    return {
        "chat_jsonl": ["data=chat_jsonl", f"data.path={folder / 'own.jsonl'}"],
        "table": ["data=table", f"data.path={folder / 'own.csv'}", *columns],
        "songys": ["data=songys", f"data.path={folder / 'songys.csv'}"],
        "keti": ["data=keti", f"data.path={folder / 'keti.txt'}"],
    }


@pytest.mark.parametrize("name", ["chat_jsonl", "table", "songys", "keti"])
def test_every_reader_of_own_files_is_masked_unless_the_user_says_public(tmp_path: Path, name: str) -> None:
    overrides = own_files(tmp_path)[name]
    corpus = configured(*overrides)
    assert first_text(corpus) == "000-0000-0000"
    assert (corpus.private, corpus.report.privacy, corpus.report.masked) == (True, "masked", {"phone": 1})
    lifted = configured(*overrides, "data.privacy=public")
    assert first_text(lifted) == PHONE
    assert (lifted.private, lifted.report.privacy, lifted.report.masked) == (False, "public", {})
    assert corpus.hash == corpus_hash(corpus.dialogues) != lifted.hash


def test_a_part_of_a_mix_is_masked_too(tmp_path: Path) -> None:
    chat_file = own_files(tmp_path)["chat_jsonl"][1].removeprefix("data.path=")
    parts = ["~data.parts.songys", "+data@data.parts.mine=chat_jsonl", f"data.parts.mine.path={chat_file}"]
    corpus = configured("data=mix", *parts)
    texts = {turn.text for each in corpus.dialogues for turn in each.turns}
    assert "000-0000-0000" in texts
    assert PHONE not in texts
    assert (corpus.private, corpus.report.privacy) == (True, "masked")


# Acceptance and --no-mask


def test_acceptance_never_lifts_masking(tmp_path: Path) -> None:
    """`--no-mask --accept` opens OUT to `data=kakaotalk`, to no other reader."""
    out = imported(chat(tmp_path, (f"이바다 {PHONE}", "응")), "mine.jsonl", "--no-mask")
    assert first_text(accepted(out)) == PLAIN
    other = read_corpus("chat_jsonl", chat_jsonl.read, str(out))
    assert first_text(other) == MASKED
    assert not other.unmasked
    configured_corpus = configured("data=chat_jsonl", f"data.path={out}")
    assert first_text(configured_corpus) == MASKED


def test_a_corpus_of_an_unmasked_import_is_private_and_marked(tmp_path: Path) -> None:
    out = imported(chat(tmp_path, (f"이바다 {PHONE}", "응")), "mine.jsonl", "--no-mask")
    for more in ([], ["data.privacy=public"]):
        corpus = configured("data=kakaotalk", f"data.path={out}", *more)
        assert first_text(corpus) == PLAIN
        assert (corpus.private, corpus.unmasked, corpus.report.privacy) == (True, True, "unmasked")


def test_a_corpus_of_a_masked_import_is_private_but_not_marked(tmp_path: Path) -> None:
    out = imported(chat(tmp_path, (f"이바다 {PHONE}", "응")))
    corpus = configured("data=kakaotalk", f"data.path={out}")
    assert first_text(corpus) == MASKED
    assert (corpus.private, corpus.unmasked) == (True, False)


def test_one_unmasked_part_marks_the_whole_mix(tmp_path: Path) -> None:
    out = imported(chat(tmp_path, (f"이바다 {PHONE}", "응")), "mine.jsonl", "--no-mask")
    harmless = read_corpus("x", lambda path, report: iter([dialogue("안녕", "응")]), None)
    for parts in ({"a": accepted(out), "b": harmless}, {"b": harmless, "a": accepted(out)}):
        corpus = mixed("mix", {name: Ingredient(part) for name, part in parts.items()})
        assert (corpus.private, corpus.unmasked) == (True, True)


def test_an_unmasked_import_imported_again_is_masked(tmp_path: Path) -> None:
    source = imported(chat(tmp_path, (f"이바다 {PHONE}", "응")), "plain.jsonl", "--no-mask")
    assert yuhee("import", source, "--out", "again.jsonl", "--accept").exit_code == 0
    assert first_text(accepted("again.jsonl")) == MASKED


def test_what_is_public_or_masked_already_passes_one_by_one() -> None:
    given: list[int] = []

    def talks(report: ReadReport, settled: dict[str, Any]) -> Iterator[Dialogue]:
        vars(report).update(settled)
        given.clear()
        for number in range(9):
            given.append(number)
            yield dialogue(f"질문 {number}", f"답 {number}")

    settled: dict[str, Any]
    for settled in ({"private": False}, {"privacy": "masked"}, {"privacy": "unmasked"}):
        report = ReadReport("x")
        passed = gate.protect(talks(report, settled), report)
        assert [next(passed).questions for _ in range(3)] == [("질문 0",), ("질문 1",), ("질문 2",)]
        assert given == [0, 1, 2]
        assert len(list(passed)) == 6


def test_nothing_read_is_still_settled() -> None:
    for public, private, privacy in ((True, False, "public"), (False, True, "masked")):
        report = ReadReport("x")
        assert list(gate.protect([], report, public=public)) == []
        assert (report.private, report.privacy) == (private, privacy)
