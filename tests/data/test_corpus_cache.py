"""Public corpora are read once; a changed one is read again; a private one is never kept."""

import json
import os
import stat
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import dialogue
from yuhee.data import corpus_cache
from yuhee.data.corpora import chat_jsonl, sample, songys
from yuhee.data.corpus import Corpus, Reader, read_corpus
from yuhee.data.dialogue import Dialogue
from yuhee.data.receipt import Receipt, sha256_of
from yuhee.data.report import ReadReport
from yuhee.errors import UserError

calls: Counter[str] = Counter()


def lines(path: str, report: ReadReport, *, mark: str = "") -> Iterator[Dialogue]:
    """A reader of one question and answer a line, of a file or all files of a folder."""
    calls["lines"] += 1
    place = Path(path)
    for file in sorted(place.iterdir()) if place.is_dir() else [place]:
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
            question, _, answer = line.partition("\t")
            if not answer:
                report.skip(number, "답이 없습니다")
                continue
            yield dialogue(question, answer + mark, emotion="1", name=f"{file.name}:{number}")


@pytest.fixture(autouse=True)
def _count_anew() -> None:
    calls.clear()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "corpus.tsv"
    file.write_text("안녕\t응 왔어?\n뭐 해\n잘 자\t너도 잘 자\n", encoding="utf-8")
    return file


def read(file: Path, reader: Reader = lines, *, name: str = "x", public: bool = True) -> Corpus:
    return read_corpus(name, reader, str(file), public=public)


def kept(folder: Path) -> list[Path]:
    return sorted((folder / "cache" / "corpora").glob("*"))


def texts(corpus: Corpus) -> list[tuple[str, ...]]:
    return [tuple(turn.text for turn in each.turns) for each in corpus.dialogues]


def test_the_second_time_nothing_is_parsed_and_all_is_the_same(file: Path) -> None:
    first, second = read(file), read(file)
    assert calls["lines"] == 1
    assert second.dialogues == first.dialogues
    assert (second.hash, second.report, second.emotion_labels) == (first.hash, first.report, ["1"])
    assert second.report.skipped == [(2, "답이 없습니다")]
    assert second.report.turn_characters == {2: 1, 3: 1, 5: 1, 6: 1}
    assert json.dumps(second.report.as_dict()) == json.dumps(first.report.as_dict())


def test_other_bytes_of_the_same_size_and_time_are_read_again(file: Path, tmp_path: Path) -> None:
    read(file)
    before = file.stat()
    file.write_bytes(file.read_bytes().replace("안녕".encode(), "반가".encode()))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert texts(read(file))[0][0] == "반가"
    assert calls["lines"] == 2
    assert len(kept(tmp_path)) == 1  # in the place of the old one


def test_a_file_that_changes_while_it_is_read_is_not_kept(file: Path, tmp_path: Path) -> None:
    def changing(path: str, report: ReadReport) -> Iterator[Dialogue]:
        yield from lines(path, report)
        file.write_text("다른\t말\n", encoding="utf-8")

    read(file, changing)
    assert kept(tmp_path) == []


def test_options_paths_names_and_privacy_are_other_corpora(file: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.tsv"
    copy.write_bytes(file.read_bytes())
    marked: Any = partial(lines, mark="!")
    assert texts(read(file, marked))[0] == ("안녕", "응 왔어?!")
    assert texts(read(file))[0] == ("안녕", "응 왔어?")
    assert texts(read(file, partial(lines, mark="?")))[0] == ("안녕", "응 왔어??")
    assert read(copy).report.origins != read(file).report.origins
    assert read(file, name="y").report.source == "y"
    assert calls["lines"] == 5


def test_other_code_reads_again(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read(file)
    monkeypatch.setattr(corpus_cache, "_code", lambda: ["changed"])
    read(file)
    assert calls["lines"] == 2


def test_a_folder_is_read_again_when_a_file_of_it_changes_comes_or_is_renamed(tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    folder.mkdir()
    (folder / "a.tsv").write_text("안녕\t응\n")
    for number, change in enumerate(
        [
            lambda: None,
            lambda: (folder / "b.tsv").write_text("왜\t그냥\n"),
            lambda: (folder / "b.tsv").write_text("왜\t몰라\n"),
            lambda: (folder / "b.tsv").rename(folder / "c.tsv"),
        ],
        start=1,
    ):
        change()
        assert texts(read(folder)) == texts(read(folder))
        assert calls["lines"] == number
    assert texts(read(folder)) == [("안녕", "응"), ("왜", "몰라")]


def test_a_private_corpus_is_never_kept(file: Path, tmp_path: Path) -> None:
    for _ in range(2):
        assert read(file, public=False).private
    assert calls["lines"] == 2
    assert kept(tmp_path) == []
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []


def test_a_reader_that_finds_its_file_is_kept_only_where_that_is_the_published_one(tmp_path: Path) -> None:
    mine = tmp_path / "ChatbotData.csv"
    mine.write_text("Q,A,label\n비밀 질문,비밀 대답,0\n", encoding="utf-8")
    assert read_corpus("songys", songys.read, str(mine)).private
    assert kept(tmp_path) == []
    assert not read_corpus("sample", sample.read, None).private
    assert len(kept(tmp_path)) == 1


def test_a_private_report_is_refused(file: Path) -> None:
    source = corpus_cache.source_of("x", lines, str(file), public=True)
    assert source is not None
    with pytest.raises(ValueError, match="private"):
        corpus_cache.remember(source, read(file).dialogues, ReadReport("x"))  # type: ignore[arg-type]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_only_the_owner_may_read_it(file: Path, tmp_path: Path) -> None:
    read(file)
    [entry] = kept(tmp_path)
    assert stat.S_IMODE(entry.stat().st_mode) == 0o600
    assert stat.S_IMODE(entry.parent.stat().st_mode) == 0o700


def test_a_damaged_entry_is_read_again(file: Path, tmp_path: Path) -> None:
    expected = read(file)
    [entry] = kept(tmp_path)
    whole = entry.read_bytes()
    for number, damage in enumerate(
        [b"", b"garbage", whole[: len(whole) // 2], whole[:-1], b"ARROW1\0\0" * 40], start=2
    ):
        entry.write_bytes(damage)
        assert read(file).dialogues == expected.dialogues
        assert calls["lines"] == number
        assert entry.read_bytes() == whole
    assert kept(tmp_path) == [entry]


def test_a_cache_that_cannot_be_written_only_costs_time(file: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    assert len(read(file).dialogues) == len(read(file).dialogues) == 2
    assert calls["lines"] == 2


def test_an_import_that_turns_out_unmasked_is_refused_also_when_it_is_remembered(tmp_path: Path) -> None:
    out = tmp_path / "mine.jsonl"
    turns = [{"role": "user", "content": "안녕"}, {"role": "assistant", "content": "응"}]
    out.write_text(json.dumps({"messages": turns}, ensure_ascii=False) + "\n", encoding="utf-8")
    assert not read(out, chat_jsonl.read).private
    Receipt(sha256_of(out), accepted=True, masked=False, origins=[], report={}).write(out)
    with pytest.raises(UserError, match="가리지 않고 들여온 파일"):
        read(out, chat_jsonl.read)


def test_a_missing_file_is_the_readers_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="파일이 없습니다"):
        read(tmp_path / "nothing.jsonl", chat_jsonl.read)
    assert corpus_cache.source_of("x", lines, "owner/name", public=True) is None
    assert corpus_cache.source_of("x", lines, None, public=True) is None


def test_the_published_songys_is_parsed_once(songys_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("parsed again")

    first = read_corpus("songys", songys.read, None)
    monkeypatch.setattr(songys, "_row", refuse)
    second = read_corpus("songys", songys.read, None)
    assert second.dialogues == first.dialogues
    assert (second.hash, second.report) == (first.hash, first.report)
