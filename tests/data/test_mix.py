"""Several corpora as one: nothing leaks between the parts, and nothing depends on their order."""

import json
import random
import subprocess
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import dialogue
from yuhee.data.corpus import Corpus
from yuhee.data.datamodule import DialogueDataModule
from yuhee.data.dialogue import Dialogue, Turn, group_keys, normalize_question
from yuhee.data.digests import corpus_hash
from yuhee.data.encoding.causal_lm import CausalLMEncoder
from yuhee.data.mix import Ingredient, mixed, repeated
from yuhee.data.report import ReadReport
from yuhee.data.splits import SPLITS, Split, split
from yuhee.errors import UserError
from yuhee.training import compose_config, parse_config

Run = Callable[..., subprocess.CompletedProcess[str]]
SMALL = (
    "model.vocab_size=500",
    "model.network.num_hidden_layers=1",
    "model.network.hidden_size=32",
    "model.network.num_attention_heads=2",
)


def corpus(dialogues: Sequence[Dialogue], privacy: str = "public", **facts: Any) -> Corpus:
    report = ReadReport("test", private=privacy != "public", privacy=privacy, **facts)
    return Corpus(list(report.count(dialogues)), report, corpus_hash(dialogues))


def mix(parts: Mapping[str, Sequence[Dialogue]], **weights: float) -> Corpus:
    return mixed("mix", {name: Ingredient(corpus(part), weights.get(name, 1.0)) for name, part in parts.items()})


def chats(start: int, count: int) -> list[Dialogue]:
    return [dialogue(f"질문 {n}", f"대답 {n}", name=f"d:{n}") for n in range(start, start + count)]


def hashes(dialogues: Sequence[Dialogue]) -> list[str]:
    return [each.content_hash() for each in dialogues]


def sides(parts: Split) -> dict[str, list[str]]:
    return {name: hashes(getattr(parts, name)) for name in SPLITS}


FILLER = chats(1000, 60)
QUESTIONS = st.sampled_from(
    [f"{word}{mark}" for word in ("밥 먹었어", "뭐 해", "잘 자", "보고 싶어") for mark in ("", "?", " ㅋ")]
)
REPLIES = st.sampled_from(["응", "그래", "아니", "왜?", "나도"])
OVERLAPPING = st.lists(st.builds(lambda q, a: dialogue(q, a), QUESTIONS, REPLIES), max_size=6)


@given(st.tuples(OVERLAPPING, OVERLAPPING, OVERLAPPING), st.integers(0, 3))
def test_no_question_and_no_reply_of_any_part_straddles_a_split(
    overlapping: tuple[list[Dialogue], ...], seed: int
) -> None:
    parts = {f"p{n}": [*part, *FILLER[n::3]] for n, part in enumerate(overlapping)}  # no more than a group may hold
    found = split(mix(parts).dialogues, seed=seed)
    holders: dict[str, set[str]] = {}
    for name in SPLITS:
        for key in (key for d in getattr(found, name) for key in group_keys(d.turns)):
            holders.setdefault(key, set()).add(name)
    assert {key: names for key, names in holders.items() if len(names) > 1} == {}
    assert sorted(h for side in sides(found).values() for h in side) == sorted(
        {h for part in parts.values() for h in hashes(part)}
    )


@given(st.tuples(OVERLAPPING, OVERLAPPING), st.randoms(use_true_random=False))
def test_the_split_is_the_same_for_every_order_of_parts_and_files(
    overlapping: tuple[list[Dialogue], ...], chance: random.Random
) -> None:
    parts = {"a": [*overlapping[0], *FILLER[::2]], "b": [*overlapping[1], *FILLER[1::2]]}
    first = mix(parts, a=2)
    shuffled = {name: chance.sample(part, len(part)) for name, part in parts.items()}
    names = chance.sample(sorted(shuffled), 2)
    second = mix({name: shuffled[name] for name in names}, a=2)
    assert second.hash == first.hash
    assert sides(split(second.dialogues)) == sides(split(first.dialogues))
    trained = [hashes(repeated(split(each.dialogues).train)) for each in (first, second)]
    assert trained[0] == trained[1]


def test_two_parts_that_share_an_answer_stand_on_one_side() -> None:
    shared = [dialogue("이건 어때", "좋아!"), dialogue("저건 어때", "좋아!")]
    for seed in range(8):
        found = split(mix({"a": [shared[0], *FILLER[::2]], "b": [shared[1], *FILLER[1::2]]}).dialogues, seed=seed)
        where = [name for name in SPLITS for d in getattr(found, name) if d.replies == ("좋아!",)]
        assert len(where) == 2
        assert len(set(where)) == 1


def test_a_dialogue_in_two_parts_is_taken_once_with_the_largest_weight() -> None:
    parts = {"a": chats(0, 3), "b": chats(2, 3)}
    for weights, expected in (({"a": 3.0, "b": 0.5}, 3.0), ({"a": 0.5, "b": 3.0}, 3.0)):
        whole = mix(parts, **weights)
        assert len(whole.dialogues) == whole.report.dialogues == 5
        assert {d.repeat for d in whole.dialogues if d.questions == ("질문 2",)} == {expected}
    assert sorted(d.repeat for d in mix(parts, a=0.5, b=3.0).dialogues) == [0.5, 0.5, 3.0, 3.0, 3.0]


def test_the_same_words_under_another_emotion_are_another_dialogue() -> None:
    parts = {"a": [dialogue("왔어?", "응", emotion="0")], "b": [dialogue("왔어?", "응", emotion="1")]}
    assert len(mix(parts).dialogues) == 2


def test_dialogues_keep_their_turns_and_say_their_part() -> None:
    mine = Dialogue("방:1", (Turn("user", "나 왔어", speaker="가", time="2026-03-30T15:04"), Turn("assistant", "응")))
    [found] = mix({"mine": [mine]}).dialogues
    assert found == replace(mine, id="mine/방:1")


@pytest.mark.parametrize(("weight", "times"), [(1.0, {1}), (2.0, {2}), (3.0, {3}), (2.5, {2, 3}), (0.5, {0, 1})])
def test_a_weight_is_the_times_a_dialogue_is_seen(weight: float, times: set[int]) -> None:
    dialogues = mix({"a": chats(0, 400)}, a=weight).dialogues
    seen = Counter(hashes(repeated(dialogues)))
    assert {seen[key] for key in hashes(dialogues)} == times
    assert seen.total() == pytest.approx(400 * weight, abs=40 if weight % 1 else 0)
    backwards = repeated(dialogues[::-1])
    assert Counter(hashes(backwards)) == seen  # the same ones every time, in any order


def test_a_smaller_weight_takes_fewer_of_the_same_dialogues() -> None:
    taken = [set(hashes(repeated(mix({"a": chats(0, 200)}, a=w).dialogues))) for w in (0.1, 0.3, 0.7, 1.0)]
    assert taken[0] < taken[1] < taken[2] < taken[3]


def test_weights_act_on_training_alone(encoder: CausalLMEncoder, tmp_path: Path) -> None:
    plain, heavy = (mix({"a": chats(0, 60)}, a=weight) for weight in (1.0, 2.0))
    assert plain.hash != heavy.hash  # or the cache of one would serve the other
    assert sides(split(plain.dialogues)) == sides(split(heavy.dialogues))
    rows = {}
    for whole in (plain, heavy):
        data = DialogueDataModule(
            split(whole.dialogues), encoder, cache=tmp_path, cache_key=whole.hash, batch_size=4, emotion_dropout=0.5
        )
        data.setup()
        rows[whole.hash] = [len(data.examples[name]) for name in SPLITS]
    assert rows[plain.hash] == [48, 6, 6]
    assert rows[heavy.hash] == [96, 6, 6]


def test_weights_leave_the_reports_counts_alone() -> None:
    report = mix({"a": chats(0, 10)}, a=5.0).report
    assert (report.dialogues, report.turns, report.speakers) == (10, 20, {"user": 10, "assistant": 10})


@given(st.randoms(use_true_random=False), st.integers(1, 12))
def test_a_cap_takes_the_same_dialogues_for_every_order(chance: random.Random, cap: int) -> None:
    dialogues = chats(0, 10)
    shuffled = chance.sample(dialogues, 10)
    first, second = (mixed("m", {"a": Ingredient(corpus(each), cap=cap)}).dialogues for each in (dialogues, shuffled))
    assert len(first) == min(cap, 10)
    assert set(hashes(first)) == set(hashes(second))
    smaller = mixed("m", {"a": Ingredient(corpus(dialogues), cap=1)}).dialogues
    assert set(hashes(smaller)) <= set(hashes(first))


def test_a_cap_is_for_its_part_alone() -> None:
    whole = mixed("m", {"a": Ingredient(corpus(chats(0, 10)), cap=3), "b": Ingredient(corpus(chats(100, 5)))})
    assert Counter(d.id.split("/")[0] for d in whole.dialogues) == {"a": 3, "b": 5}


@pytest.mark.parametrize(
    ("privacies", "strictest"),
    [
        (("public", "public"), "public"),
        (("public", "masked"), "masked"),
        (("masked", "public"), "masked"),
        (("unmasked", "masked", "public"), "unmasked"),
        (("public", "unmasked"), "unmasked"),
    ],
)
def test_the_strictest_part_decides_on_privacy(privacies: tuple[str, ...], strictest: str) -> None:
    parts = {f"p{n}": Ingredient(corpus(chats(n, 1), privacy)) for n, privacy in enumerate(privacies)}
    whole = mixed("m", parts)
    assert whole.report.privacy == strictest
    assert whole.private is (strictest != "public")
    assert whole.unmasked is (strictest == "unmasked")


def test_the_reports_of_the_parts_are_folded() -> None:
    one = corpus(chats(0, 2), "masked", lines=5, continuations=1, origins=["aa"], notes=["하나"],
                 kinds=Counter(text=3, photo=1), masked=Counter(phone=2), skipped=[(3, "글이 비어 있습니다")])  # fmt: skip
    two = corpus(chats(9, 1), lines=4, origins=["bb"], kinds=Counter(text=2), masked=Counter(phone=1, name=1))
    report = mixed("m", {"one": Ingredient(one), "two": Ingredient(two)}).report
    assert (report.source, report.dialogues, report.turns, report.lines, report.continuations) == ("m", 3, 6, 9, 1)
    assert report.kinds == {"text": 5, "photo": 1}
    assert report.masked == {"phone": 3, "name": 1}
    assert report.skipped == [(3, "one: 글이 비어 있습니다")]
    assert report.notes == ["one: 대화 2개", "one: 하나", "two: 대화 1개"]
    assert report.origins == ["aa", "bb"]  # by which `yuhee forget` finds what was made from each part
    json.dumps(report.as_dict())


def test_the_parts_stay_as_they_were() -> None:
    part = corpus(chats(0, 4))
    before = (list(part.dialogues), part.report.as_dict())
    mixed("m", {"a": Ingredient(part, 2.0, 2)})
    assert (part.dialogues, part.report.as_dict()) == before


@pytest.fixture
def real(songys_data: Path) -> Corpus:
    assert songys_data
    return read("data=mix")


def read(*overrides: str) -> Corpus:
    return parse_config(compose_config(overrides)).data.read()


def test_the_real_songys_and_the_sample_leak_nothing(real: Corpus) -> None:
    sample = len(read("data=sample").dialogues)
    assert Counter(d.id.split("/")[0] for d in real.dialogues) == {"songys": 11_750, "sample": sample}
    assert (real.private, real.report.privacy, real.report.skipped) == (False, "public", [])
    found = split(real.dialogues)
    assert sum(len(getattr(found, name)) for name in SPLITS) == 11_750 + sample
    overlap = found.overlap()
    assert max(overlap.values()) < 0.001, overlap
    for name in SPLITS:  # every side holds some of both
        assert {d.id.split("/")[0] for d in getattr(found, name)} == {"songys", "sample"}
    asked = {part: {normalize_question(q) for d in real.dialogues if d.id.startswith(part) for q in d.questions}
             for part in ("songys", "sample")}  # fmt: skip
    common = asked["songys"] & asked["sample"]
    where = [{normalize_question(q) for d in getattr(found, name) for q in d.questions} & common for name in SPLITS]
    assert common
    assert len(where[0] & where[1] | where[0] & where[2] | where[1] & where[2]) <= 0.01 * len(common)


def write(name: str, dialogues: Sequence[Dialogue]) -> str:
    lines = [
        json.dumps({"messages": [{"role": t.role, "content": t.text} for t in d.turns]}, ensure_ascii=False)
        for d in dialogues
    ]
    Path(name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return name


def test_ones_own_chats_join_the_mix_masked_and_private() -> None:
    path = write("내 대화, 하나.jsonl", [*chats(0, 4), Dialogue("x", (Turn("user", "혼잣말"),), group_keys([]))])
    own = ("+data@data.parts.mine=chat_jsonl", f"data.parts.mine.path={path}")
    whole = read("data=mix", "~data.parts.songys", "data.parts.sample.cap=4", *own)
    assert Counter(d.id.split("/")[0] for d in whole.dialogues) == {"sample": 4, "mine": 4}
    assert (whole.private, whole.report.privacy) == (True, "masked")
    assert whole.report.skipped == [(5, "mine: 대화로 읽을 수 없습니다: 답(assistant)이 없습니다")]
    open_ = read("data=mix", "~data.parts.songys", *own, "data.parts.mine.privacy=public")
    assert (open_.private, open_.report.privacy) == (False, "public")


def test_a_part_that_cannot_be_read_is_one_sentence() -> None:
    with pytest.raises(UserError, match=r"없는\.jsonl: 파일이 없습니다") as caught:
        read("data=mix", "~data.parts.songys", "+data@data.parts.mine=chat_jsonl", "data.parts.mine.path=없는.jsonl")
    assert "\n" not in str(caught.value)


def test_what_is_typed_becomes_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/somewhere")
    data = parse_config(
        compose_config(
            [
                "data=mix",
                "data.parts.mine.path=~/내 대화, 둘 (2).jsonl",
                "+data@data.parts.mine=chat_jsonl",
                "data.parts.songys.weight=0.5",
                "data.parts.mine.cap=100",
                "~data.parts.sample",
                "data.batch_size=8",
            ]
        )
    ).data
    assert {name: (part.name, part.path, part.weight, part.cap) for name, part in data.parts.items()} == {
        "songys": ("songys", None, 0.5, None),
        "mine": ("chat_jsonl", "/somewhere/내 대화, 둘 (2).jsonl", 1.0, 100),
    }
    assert (data.name, data.reader, data.batch_size) == ("mix", None, 8)


@pytest.mark.parametrize(
    ("override", "told"),
    [
        (
            "data.parts.songys.wieght=2",
            "data.parts.songys.wieght: 없는 키입니다(비슷한 이름: data.parts.songys.weight)",
        ),
        ("data.parts.sample.capp=2", "data.parts.sample.capp: 없는 키입니다(비슷한 이름: data.parts.sample.cap"),
        ("data.parts.songys.split.sed=2", "비슷한 이름: data.parts.songys.split.seed)"),
        ("data.parts.songys.reader.domain=x", "data.parts.songys.reader.domain: 없는 키입니다"),
        ("data.parts.songys.weight=0", "data.parts.songys.weight=0: 0보다 커야 합니다"),
        ("data.parts.songys.weight=-1", "data.parts.songys.weight=-1: 0보다 커야 합니다"),
        ("data.parts.songys.weight=101", "data.parts.songys.weight=101: 100 이하여야 합니다"),
        ("data.parts.songys.weight=반", "data.parts.songys.weight=반: 수가 아닙니다"),
        ("data.parts.songys.cap=0", "data.parts.songys.cap=0: 0보다 커야 합니다"),
        ("data.parts.songys.cap=1.5", "data.parts.songys.cap=1.5: 정수가 아닙니다"),
        ("data.parts.songys.privacy=open", "data.parts.songys.privacy=open: "),
        ("data.parts.songys.reader=null", "data.parts.songys: data.reader와 data.parts"),
        ("+data@data.parts.mine=chat_jsnl", "data=chat_jsnl: 그런 선택은 없습니다(비슷한 이름: chat_jsonl)"),
        ("+data@data.part.mine=chat_jsonl", "data.part: 없는 키입니다(비슷한 이름: data.parts"),
        ("data@data.parts.mine=chat_jsonl", "설정을 읽을 수 없습니다"),
        ("~data.parts.smple", "data.parts.smple"),
        ("~data.parts", "data.reader와 data.parts 가운데 하나만"),
        ("data.privacy=public", "data.parts.<이름>.privacy"),
        ("data.path=mine.jsonl", "data.parts.<이름>.path"),
    ],
)
def test_a_mistake_in_a_mix_is_one_sentence(override: str, told: str) -> None:
    with pytest.raises(UserError, match="설정") as caught:
        parse_config(compose_config(["data=mix", override]))
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_mistakes_of_several_parts_are_told_together() -> None:
    with pytest.raises(UserError) as caught:
        compose_config(["data=mix", "data.parts.songys.wieght=2", "data.parts.sample.cap=0", "data.bach_size=1"])
    for part in ("data.parts.songys.weight", "data.parts.sample.cap=0", "data.batch_size"):
        assert part in str(caught.value)


def test_a_real_run_of_a_mix(run: Run) -> None:
    write("mine.jsonl", chats(0, 30))
    command: tuple[str, ...] = ("train.py", "data=mix", "~data.parts.songys", "data.parts.sample.cap=60")
    command += ("+data@data.parts.mine=chat_jsonl", "data.parts.mine.weight=2")
    result = run(*command, "data.parts.mine.path=mine.jsonl", *SMALL, "trainer.max_steps=2")
    assert result.returncode == 0, result.stderr
    [folder] = Path("outputs").glob("*/*/")
    report = json.loads((folder / "read_report.json").read_text())
    assert (report["source"], report["dialogues"], report["privacy"], report["private"]) == ("mix", 90, "masked", True)
    assert len(report["origins"]) == 1
    metrics = json.loads((folder / "metrics.json").read_text())
    sizes = [metrics[f"data/{name}_dialogues"] for name in SPLITS]
    assert sum(sizes) == 90
    assert sizes[1:] == pytest.approx([9, 9], abs=2)  # whole groups, so nearly
    assert metrics["corpus_hash"] == report["corpus_hash"]
    assert (folder / "bundle" / "yuhee.json").is_file()
    assert not Path("cache/encoded").exists()  # one part is somebody's own


def test_a_dialogue_in_two_parts_belongs_to_the_groups_of_both() -> None:
    room = [replace(d, group_keys=("방:1",)) for d in (dialogue("왔어", "응"), dialogue("가자", "그래"))]
    pair = [dialogue("왔어", "응"), dialogue("왔어!", "어서 와")]
    for parts in ({"a": room, "b": pair}, {"b": pair, "a": room}):
        [found] = [d for d in mix(parts).dialogues if d.replies == ("응",)]
        assert set(found.group_keys) == {"방:1", "q:왔어", "a:응"}


def test_a_cap_counts_a_repeated_dialogue_once() -> None:
    dialogues = chats(0, 5) * 4
    whole = mixed("m", {"a": Ingredient(corpus(dialogues), cap=3)})
    assert len(whole.dialogues) == 3


def test_a_mix_within_a_mix_multiplies_the_weights() -> None:
    inner = mix({"x": chats(0, 1), "y": chats(1, 1)}, x=3.0)
    outer = mixed("m", {"inner": Ingredient(inner, 0.5)})
    assert sorted((d.id, d.repeat) for d in outer.dialogues) == [("inner/x/d:0", 1.5), ("inner/y/d:1", 0.5)]


def test_the_notes_say_what_was_left_out() -> None:
    parts = {"a": Ingredient(corpus(chats(0, 10)), cap=4), "b": Ingredient(corpus(chats(0, 10)))}
    assert mixed("m", parts).report.notes == [
        "a: 대화 10개 가운데 4개",
        "b: 대화 10개",
        "여러 곳에 든 같은 대화 4개는 한 번만 넣었습니다.",
    ]


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["data.parts.songys=3"], "data.parts.songys=3: '이름: 값' 묶음이 아닙니다"),
        (["data.parts.songys=null"], "'이름: 값' 묶음이 아닙니다"),
        (["data.parts=3"], "data.parts=3: '이름: 값' 묶음이 아닙니다"),
        (["data.parts=null"], "'이름: 값' 묶음이 아닙니다"),
        (["data.reader=songys"], "data.reader=songys: '이름: 값' 묶음이 아닙니다"),
        (["data.parts.songys.reader=3"], "data.parts.songys.reader=3: '이름: 값' 묶음이 아닙니다"),
        (["data.parts.songy.weight=2"], "+data@data.parts.songy=<말뭉치>"),
        (["+data@data.parts.내것=chat_jsonl"], "+data@data.parts.내것: 키에는 영문자와 숫자와 _ 만"),
        (["data.parts.내것.path=a.jsonl"], "data.parts.내것.path: 키에는 영문자와 숫자와 _ 만"),
        (["+data@data.parts.reader=table", "data.parts.reader.wieght=2"], "비슷한 이름: data.parts.reader.weight"),
        (["+data@data.parts.split=table", "data.parts.split.wieght=2"], "비슷한 이름: data.parts.split.weight"),
    ],
)
def test_any_mistake_in_a_mix_is_one_sentence(overrides: list[str], told: str) -> None:
    with pytest.raises(UserError, match="설정") as caught:
        parse_config(compose_config(["data=mix", *overrides]))
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_home_folder_is_found_for_every_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/somewhere")
    overrides = ["+data@data.parts.my-chat=chat_jsonl", "data.parts.my-chat.path=~/a.jsonl"]
    overrides += ["+data@data.parts.inner=mix", "data.parts.inner.parts.songys.path=~/songys"]
    parts = parse_config(compose_config(["data=mix", *overrides])).data.parts
    assert parts["my-chat"].path == "/somewhere/a.jsonl"
    assert parts["inner"].parts["songys"].path == "/somewhere/songys"


def test_a_home_of_nobody_is_a_path_like_any_other() -> None:
    assert parse_config(compose_config(["data=songys", "data.path=~nobodys_/a.csv"])).data.path == "~nobodys_/a.csv"


def test_weights_that_leave_nothing_to_learn_are_one_sentence(encoder: CausalLMEncoder, tmp_path: Path) -> None:
    parts = split(mix({"a": chats(0, 12)}, a=1e-6).dialogues)
    with pytest.raises(UserError, match=r"data\.parts\.<이름>\.weight"):
        DialogueDataModule(parts, encoder, cache=tmp_path, cache_key="x", batch_size=4).setup()
