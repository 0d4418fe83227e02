"""Datasets by name or path: every shape of row, everything that can be wrong with one, and whose it is."""

import json
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import datasets
import pytest
from datasets import Dataset, DatasetDict
from hypothesis import given, settings
from hypothesis import strategies as st

from yuhee.data.corpora import hub
from yuhee.data.corpus import Corpus
from yuhee.data.report import ReadReport
from yuhee.errors import UserError
from yuhee.training import compose_config, parse_config

Row = dict[str, Any]
USER, REPLY = {"role": "user", "content": "밥 먹었어?"}, {"role": "assistant", "content": "응, 라면!"}
SAID = [("user", "밥 먹었어?"), ("assistant", "응, 라면!")]
PAIR = {"question": "밥 먹었어?", "answer": "응, 라면!"}


@pytest.fixture(autouse=True)
def _quiet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`datasets` reads its settings once: no cache but the test's, no bars."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    datasets.disable_progress_bars()


def read(path: object, **options: Any) -> tuple[list[list[tuple[str, str]]], ReadReport]:
    """(role, text) of every dialogue, and the report, whose books balance."""
    report = ReadReport("hub")
    found = list(hub.read(None if path is None else str(path), report, **options))
    assert report.lines == report.kinds["text"] + len(report.skipped)
    assert report.kinds["text"] == len(found)
    assert all(reason and "라면" not in reason for _, reason in report.skipped)
    return [[(turn.role, turn.text) for turn in each.turns] for each in found], report


def refused(path: object, **options: Any) -> str:
    with pytest.raises(UserError) as caught:
        read(path, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


def parquet(*rows: Row, name: str = "rows.parquet") -> str:
    Dataset.from_list(list(rows)).to_parquet(name)
    return name


def jsonl(*rows: Row, name: str = "rows.jsonl") -> str:
    Path(name).write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return name


SHAPES: list[tuple[Row, dict[str, Any]]] = [
    ({"messages": [USER, REPLY]}, {}),
    ({"conversations": [{"from": "human", "value": "밥 먹었어?"}, {"from": "gpt", "value": "응, 라면!"}]}, {}),
    ({"conversations": [{"from": "user", "value": "밥 먹었어?"}, {"from": "gpt", "value": "응, 라면!"}]}, {}),
    ({"conversations": [USER, REPLY]}, {}),
    ({"text": [dict(reversed(USER.items())), dict(reversed(REPLY.items()))]}, {"columns": {"text": "messages"}}),
    ({"text": [{"who": "가", "said": "밥 먹었어?"}, {"who": "나", "said": "응, 라면!"}]},
     {"columns": {"text": "messages"}, "role_key": "who", "text_key": "said", "roles": {"가": "user", "나": "assistant"}}),
    ({"대화": [{"role": 0, "content": "밥 먹었어?"}, {"role": 1, "content": "응, 라면!"}]},
     {"columns": {"대화": "messages"}, "roles": {"0": "user", "1": "assistant"}}),
    ({"instruction": "밥 먹었어?", "output": "응, 라면!", "url": "x"}, {}),
    ({"id": "7", "instruction": "밥 먹었어?", "input": "", "output": "응, 라면!"}, {}),
    ({"instruction": "밥 먹었어?", "context": "", "response": "응, 라면!", "category": "x"}, {}),
    (PAIR, {}),
    ({"질문": "밥 먹었어?", "답변": "응, 라면!"}, {"columns": {"질문": "question", "답변": "answer"}}),
    ({"prompt": "밥 먹었어?", "completion": "응, 라면!"}, {}),
    ({"prompt": [USER], "completion": [REPLY]}, {}),
    ({"context": "앞말", "prompt": "밥 먹었어?", "answer": "응, 라면!"}, {"columns": {"answer": "completion"}}),
    ({"prompt": "밥 먹었어?", "chosen": "응, 라면!", "rejected": "몰라"}, {"columns": {"chosen": "completion"}}),
]  # fmt: skip


@pytest.mark.parametrize(("row", "options"), SHAPES)
def test_every_shape_of_row_is_read_from_every_kind_of_file(row: Row, options: dict[str, Any]) -> None:
    Dataset.from_list([row, row]).save_to_disk("saved")
    for path in (parquet(row, row), jsonl(row, row), "saved"):
        found, report = read(path, **options)
        assert found == [SAID, SAID], path
        assert (report.skipped, report.private) == ([], True)


@pytest.mark.parametrize(
    "row", [row for row, options in SHAPES if not options and all(isinstance(value, str) for value in row.values())]
)
def test_a_csv_is_read_like_the_rest(row: Row) -> None:
    Dataset.from_list([row]).to_csv("rows.csv", index=False)
    assert read("rows.csv")[0] == [SAID]


def test_a_json_array() -> None:
    Path("rows.json").write_text(json.dumps([PAIR, {**PAIR, "more": 1}], ensure_ascii=False), encoding="utf-8")
    assert read("rows.json")[0] == [SAID, SAID]


def test_ids_emotions_and_groups() -> None:
    first, second = hub.read(
        jsonl({**PAIR, "id": 7}, {"messages": [{**USER, "emotion": "기쁨"}, REPLY]}), ReadReport("hub")
    )
    assert (first.id, second.id, second.source) == ("7", "hub:2", "hub")
    assert second.turns[0].emotion == "기쁨"
    assert first.group_keys == ("q:밥먹었어", "a:응, 라면!")


def test_saved_folders_and_their_splits() -> None:
    test = {"question": "왔어?", "answer": "응"}
    DatasetDict({"train": Dataset.from_list([PAIR]), "test": Dataset.from_list([test])}).save_to_disk("saved")
    assert read("saved")[0] == [SAID]
    assert read("saved", split="test")[0] == [[("user", "왔어?"), ("assistant", "응")]]
    message = refused("saved", split="dev")
    assert "saved: 나눔 'dev'이(가) 없습니다" in message
    assert "data.reader.split" in message


def test_a_plain_folder_and_its_splits() -> None:
    Path("plain").mkdir()
    jsonl(PAIR, name="plain/train.jsonl")
    jsonl({"question": "왔어?", "answer": "응"}, name="plain/test.jsonl")
    assert read("plain")[0] == [SAID]
    assert read("plain", split="test")[0] == [[("user", "왔어?"), ("assistant", "응")]]
    assert "나눔 'dev'이(가) 없습니다" in refused("plain", split="dev")
    assert "data.reader.subset" in refused("plain", subset="없는것")


def test_subsets() -> None:
    Path("parts").mkdir()
    jsonl(PAIR, name="parts/a.jsonl")
    jsonl({"question": "왔어?", "answer": "응"}, name="parts/b.jsonl")
    configs = "".join(f"- config_name: {name}\n  data_files: {name}.jsonl\n" for name in "ab")
    Path("parts/README.md").write_text(f"---\nconfigs:\n{configs}---\n", encoding="utf-8")
    assert read("parts", subset="a")[0] == [SAID]
    assert read("parts", subset="b")[0] == [[("user", "왔어?"), ("assistant", "응")]]
    for wrong in (None, "c"):
        assert "data.reader.subset을 골라 주세요" in refused("parts", subset=wrong)


def test_a_home_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    parquet(PAIR)
    assert read("~/rows.parquet")[0] == [SAID]


def test_a_missing_column_names_those_that_are_there() -> None:
    message = refused(parquet(PAIR), columns={"질문": "question", "답변": "answer"})
    for part in ("열 질문, 답변 이(가) 없습니다", "있는 열: question, answer", "data.reader.columns"):
        assert part in message


def test_rows_that_are_no_dialogue_are_reported_with_their_number() -> None:
    empty: Row = {"question": None, "answer": None}
    found, report = read(
        jsonl(PAIR, {**PAIR, "answer": None}, {**PAIR, "answer": " "}, PAIR, empty, {**PAIR, "question": None})
    )
    assert found == [SAID, SAID]
    assert [line for line, _ in report.skipped] == [2, 3, 5, 6]
    assert report.skipped[1][1] == "대화로 읽을 수 없습니다: answer: 글이 비어 있습니다"
    assert report.lines == 6


def test_null_cells_beside_the_text_do_no_harm() -> None:
    rows: list[Row] = [
        {"messages": [{**USER, "emotion": None, "weight": None}, {**REPLY, "emotion": None, "weight": 0}], "id": None},
        {"messages": [{**USER, "emotion": "1", "weight": None}, {**REPLY, "emotion": None, "weight": 1}], "id": "a"},
        {"messages": None, "id": "b"},
    ]
    report = ReadReport("hub")
    first, second = hub.read(parquet(*rows), report)
    assert [turn.weight for turn in first.turns] == [1, 0]
    assert [turn.emotion for turn in second.turns] == ["1", None]
    assert [line for line, _ in report.skipped] == [3]


def test_columns_that_know_no_messages_at_all_are_one_sentence() -> None:
    with pytest.raises(UserError, match=r"쓸 수 있는 대화가 하나도 없습니다\(1번째 줄: 대화로 읽을 수 없습니다"):
        corpus("data.path=" + parquet({"text": "혼잣말"}))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("bad.parquet", b"PAR1" + bytes(100)),
        ("bad.parquet", b""),
        ("bad.jsonl", b""),
        ("bad.jsonl", b'{"question": "a", "answer": "b"}\n{broken\n'),
        ("bad.json", b"\x89PNG\r\n\x1a\n" + bytes(range(256))),
        ("bad.csv", "question,answer\n안녕,네\n".encode("cp949")),
        ("bad.tsv", b"question\tanswer\na\tb\n"),
    ],
)
def test_a_broken_file_is_one_sentence(name: str, content: bytes) -> None:
    Path(name).write_bytes(content)
    assert refused(name).startswith(f"{name}: 데이터셋을 읽")


def test_a_parquet_that_breaks_off_is_one_sentence() -> None:
    path = Path(parquet(*[PAIR] * 50))
    path.write_bytes(path.read_bytes()[:-20])
    assert "읽을 수 없습니다" in refused(path)


@settings(max_examples=30)
@given(st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=4), st.floats(0, 1))
def test_damaged_files_are_read_or_refused(changes: list[tuple[float, int]], kept: float) -> None:
    content = bytearray("".join(json.dumps(PAIR, ensure_ascii=False) + "\n" for _ in range(3)).encode())
    for place, byte in changes:
        content[int(place * len(content))] = byte
    Path("damaged.jsonl").write_bytes(content[: int(kept * len(content))])
    told = ""
    try:
        read("damaged.jsonl")
    except UserError as error:
        told = str(error)
    assert "\n" not in told


@pytest.mark.parametrize("name", ["nobody/nothing", "nothing", "./data/mine.jsonl", "없는 이름"])
def test_a_dataset_that_is_not_there_is_one_sentence_without_a_network(name: str) -> None:
    message = refused(name)
    assert message.startswith(f"{name}: 데이터셋을 읽을 수 없습니다. 이름과 네트워크를 확인")


def test_no_path_is_one_sentence() -> None:
    assert "data.path에 데이터셋의 이름" in refused(None)


def test_an_empty_folder_is_one_sentence() -> None:
    Path("empty").mkdir()
    assert refused("empty").startswith("empty: ")


@pytest.mark.parametrize("beside", [True, False])
def test_a_loading_script_never_runs(beside: bool) -> None:
    folder = Path("scripted")
    folder.mkdir()
    (folder / "scripted.py").write_text("open('RAN', 'w').close()\nraise SystemExit(3)\n", encoding="utf-8")
    if beside:
        jsonl(PAIR, name="scripted/train.jsonl")
    assert "scripted" in refused(folder)
    refused(folder / "scripted.py")
    assert not list(Path().rglob("RAN"))


class Hub:
    """In place of `datasets.load_dataset`: remembers how it was called."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows
        self.calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = []

    def __call__(self, *args: Any, **options: Any) -> Sequence[Row]:
        self.calls.append((args, options))
        return self.rows


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> Hub:
    fake = Hub([PAIR])
    monkeypatch.setattr(datasets, "load_dataset", fake)
    return fake


def corpus(*overrides: str) -> Corpus:
    return parse_config(compose_config(["data=hub", *overrides])).data.read()


def test_a_dataset_of_the_hub_is_public_and_streamed_without_its_code(published: Hub) -> None:
    found = corpus("data.path=owner/name", "data.reader.subset=small", "data.reader.split=test")
    assert (found.private, found.report.privacy, len(found.dialogues)) == (False, "public", 1)
    [(args, options)] = published.calls
    assert args == ("owner/name", "small")
    assert options == {"split": "test", "streaming": True}  # no trust_remote_code


def test_a_dataset_of_this_machine_is_masked_and_private(published: Hub) -> None:
    Path("owner/name").mkdir(parents=True)  # the name of a dataset of the hub, too
    found = corpus("data.path=owner/name")
    assert (found.private, found.report.privacy) == (True, "masked")
    found = corpus("data.path=owner/name", "data.privacy=public")
    assert (found.private, found.report.privacy) == (False, "public")
    assert len(published.calls) == 2


def test_rows_are_taken_one_by_one(published: Hub) -> None:
    def rows() -> Any:
        yield PAIR
        raise ConnectionError("gone\nfor good")

    published.rows = rows()
    stream = hub.read("owner/name", ReadReport("hub"))
    assert next(stream).questions == ("밥 먹었어?",)
    with pytest.raises(UserError, match=r"owner/name: 데이터셋을 읽다가 멈췄습니다\(gone\)\."):
        next(stream)


def test_without_datasets_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    assert "pip install 'yuhee[hub]'" in refused("owner/name")


def test_names_and_roles_from_the_command_line() -> None:
    said = [{"who": "counsellor", "text": "왔어?"}, {"who": "client", "text": "응"}]
    found = corpus(
        "data.path=" + parquet({"chat": said}),
        "data.reader.columns={chat: messages}",
        "data.reader.roles={counsellor: user, client: assistant}",
        "data.reader.role_key=who",
        "data.reader.text_key=text",
    )
    assert [(t.role, t.text) for t in found.dialogues[0].turns] == [("user", "왔어?"), ("assistant", "응")]


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("data.reader.splt=test", "data.reader.splt: 없는 키입니다(비슷한 이름: data.reader.split)"),
        ("data.reader.colums.a=b", "data.reader.colums: 없는 키입니다(비슷한 이름: data.reader.columns"),
    ],
)
def test_a_misspelt_option_is_told(override: str, told: str) -> None:
    with pytest.raises(UserError) as caught:
        compose_config(["data=hub", "data.path=a/b", override])
    assert told in str(caught.value)


def test_messages_of_differing_keys_in_a_json_array() -> None:
    row = {"messages": [{**USER, "emotion": "기쁨"}, REPLY]}
    Path("rows.json").write_text(json.dumps([row, row], ensure_ascii=False), encoding="utf-8")
    assert read("rows.json")[0] == [SAID, SAID]


KOREAN = "{상담사: assistant, 내담자: user}"


@pytest.mark.parametrize("quote", ["", "'", '"'])
def test_hangul_columns_and_roles_from_the_command_line(quote: str) -> None:
    path = parquet({"질문": "왔어?", "답변": "응"})
    found = corpus(f"data.path={path}", f"data.reader.columns={quote}{{질문: question, 답변: answer}}{quote}")
    assert [t.text for t in found.dialogues[0].turns] == ["왔어?", "응"]
    path = parquet({"conversations": [{"from": "내담자", "value": "왔어?"}, {"from": "상담사", "value": "응"}]})
    found = corpus(f"data.path={path}", f"data.reader.roles={quote}{KOREAN}{quote}")
    assert [(t.role, t.text) for t in found.dialogues[0].turns] == [("user", "왔어?"), ("assistant", "응")]


@pytest.mark.parametrize("keys", [{}, {"role_key": "from", "text_key": "value"}])
def test_roles_hold_for_from_and_value(keys: dict[str, str]) -> None:
    row = {"conversations": [{"from": "내담자", "value": "밥 먹었어?"}, {"from": "상담사", "value": "응, 라면!"}]}
    assert read(parquet(row), roles={"상담사": "assistant", "내담자": "user"}, **keys)[0] == [SAID]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"columns": "text"}, "data.reader.columns: '{데이터셋의 이름: 읽을 이름}' 꼴로"),
        ({"roles": "{a: ["}, "data.reader.roles: '{데이터셋의 이름: 읽을 이름}' 꼴로"),
        ({"roles": {"a": "assistent"}}, "data.reader.roles: assistent: system, user, assistant 가운데"),
    ],
)
def test_a_wrong_mapping_is_one_sentence(options: dict[str, Any], told: str) -> None:
    assert told in refused(parquet(PAIR), **options)


@pytest.mark.parametrize("meta", ["글", {"날": datetime(2020, 1, 1)}, ["a"]])
def test_columns_of_other_meaning_do_no_harm(meta: object) -> None:
    path = parquet({**PAIR, "meta": meta, "source": "wiki", "group_keys": "x"})
    [found] = hub.read(path, ReadReport("hub"))
    assert (found.source, found.meta, found.group_keys) == ("hub", {}, ("q:밥먹었어", "a:응, 라면!"))


def test_what_json_does_not_hold_is_reported() -> None:
    row = {"format": "yuhee/1", "messages": [USER, REPLY], "meta": {"날": datetime(2020, 1, 1)}}
    _, report = read(parquet(row))
    assert report.skipped == [(1, "대화로 읽을 수 없습니다: JSON에 없는 값(날짜 등)이 들어 있습니다")]


@pytest.mark.parametrize("name", ["x" * 300, "~nobodys_name_/rows", ""])
def test_a_name_that_no_file_can_have_is_one_sentence(name: str) -> None:
    refused(name)


@pytest.mark.parametrize("name", ["my_config", "split_1"])
def test_words_in_a_path_are_no_cause(name: str) -> None:
    Path(name).mkdir()
    assert "데이터셋을 읽을 수 없습니다" in refused(name)


def test_only_the_sentence_is_told(caplog: pytest.LogCaptureFixture) -> None:
    Path("bad.jsonl").write_text("{broken\n", encoding="utf-8")
    assert "()" not in refused("bad.jsonl")
    Path("empty.jsonl").touch()
    assert "()" not in refused("empty.jsonl")
    assert caplog.records == []


def test_a_missing_subset_lists_those_that_are_there() -> None:
    Path("parts").mkdir()
    for name in ("small", "large"):
        jsonl(PAIR, name=f"parts/{name}.jsonl")
    configs = "".join(f"- config_name: {name}\n  data_files: {name}.jsonl\n" for name in ("small", "large"))
    Path("parts/README.md").write_text(f"---\nconfigs:\n{configs}---\n", encoding="utf-8")
    assert "'small', 'large'" in refused("parts")
