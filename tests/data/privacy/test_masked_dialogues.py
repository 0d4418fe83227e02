"""Nothing personal is left anywhere in a dialogue."""

from typing import Any

from yuhee.data.dialogue import Dialogue, Turn, group_keys
from yuhee.data.privacy.masker import Masker

TURNS = (
    Turn("user", "하늘아 010-1948-5021로 걸어", emotion="기쁨", speaker="이바다", time="2024-08-17T19:30"),
    Turn("assistant", "응 바다야", speaker="김하늘"),
)


def dialogue(**changes: Any) -> Dialogue:
    values: dict[str, Any] = {"id": "chat:3", "turns": TURNS, "group_keys": group_keys(TURNS), "source": "chat"}
    return Dialogue(**(values | changes))


def masked(**changes: Any) -> Dialogue:
    return Masker(["김하늘", "이바다"]).dialogue(dialogue(**changes))


def test_texts_and_speakers() -> None:
    found = masked()
    assert [(t.text, t.speaker, t.emotion, t.time) for t in found.turns] == [
        ("지우야 010-0000-0001로 걸어", "서우", "기쁨", "2024-08-17T19:30"),
        ("응 서우야", "지우", None, None),
    ]
    assert (found.id, found.source, found.repeat) == ("chat:3", "chat", 1.0)


def test_emotions() -> None:
    assert masked(turns=[Turn("user", "응", emotion="하늘이한테 화남")]).turns[0].emotion == "지우한테 화남"


def test_keys_of_text_are_made_of_the_masked_text() -> None:
    assert masked().group_keys == group_keys(masked().turns)
    assert masked(group_keys=["q:x"]).group_keys == tuple(k for k in group_keys(masked().turns) if k[:2] == "q:")


def test_other_keys_are_hashed_and_still_join() -> None:
    (key,), (again,) = masked(group_keys=["김하늘의 방"]).group_keys, masked(group_keys=["김하늘의 방"]).group_keys
    assert key == again
    assert key != masked(group_keys=["이바다의 방"]).group_keys[0]
    assert key.startswith("h:")
    assert "하늘" not in key


def test_ids_are_kept_unless_they_tell_something() -> None:
    assert masked(id="kakaotalk:12").id == "kakaotalk:12"
    for name in ("김하늘의 방:12", "room-bada-010-1948-5021", "하늘:1"):
        assert masked(id=name).id.startswith("h:")


def test_of_meta_only_numbers_remain() -> None:
    meta = {
        "room": "김하늘",
        "labels": [0, 2],
        "n": 3,
        "ok": True,
        "none": None,
        "phone": 1019485021,
        "who": {"a": "b"},
        "l": ["x"],
    }
    assert masked(meta=meta).meta == {"labels": [0, 2], "n": 3, "ok": True, "none": None}


def test_a_speaker_who_was_not_announced_is_masked_too() -> None:
    found = Masker(["김하늘"]).dialogue(
        dialogue(turns=[Turn("user", "민준이야", speaker="박민준"), Turn("user", "민준아")])
    )
    assert found.turns[0].speaker not in ("박민준", "지우")
    assert "민준" not in found.turns[1].text


def test_roles_and_kept_names_stay_as_speakers() -> None:
    turns = [Turn("user", "안녕", speaker="엄마"), Turn("assistant", "응", speaker="유희")]
    found = Masker(["엄마"], keep=["유희"]).dialogue(dialogue(turns=turns))
    assert [turn.speaker for turn in found.turns] == ["엄마", "유희"]


def test_labels_without_a_name_to_look_for_become_somebody_or_stay() -> None:
    labels = ["🐳", "ㅎㄴ", "JY", "010-1948-5021", "A", "2", "user", "팀장님"]
    found = Masker(labels).dialogue(dialogue(turns=[Turn("user", "JY 안녕", speaker=label) for label in labels]))
    assert [turn.speaker for turn in found.turns] == ["지우", "서우", "민서", "지호", "A", "2", "user", "팀장님"]


def test_masking_again_changes_nothing() -> None:
    masker = Masker(["김하늘", "이바다"])
    once = masker.dialogue(dialogue(id="김하늘", group_keys=["방", *group_keys(TURNS)], meta={"n": 1, "room": "방"}))
    for again in (masker.dialogue(once), Masker().dialogue(once)):
        assert (again, again.meta) == (once, once.meta)


def test_a_dialogue_without_personal_data_is_the_same() -> None:
    plain = dialogue(turns=(turns := (Turn("user", "안녕"), Turn("assistant", "응"))), group_keys=group_keys(turns))
    assert Masker(["김하늘"]).dialogue(plain) == plain
