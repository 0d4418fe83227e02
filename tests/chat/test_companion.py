import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import yuhee
from tests.conftest import one_sentence_error, small_module
from yuhee import bundle
from yuhee.chat.care import CRISIS_REPLY
from yuhee.chat.companion import Companion
from yuhee.data.dialogue import Turn
from yuhee.data.encoding.causal_lm import CausalLMEncoder
from yuhee.data.encoding.markers import SYSTEM
from yuhee.errors import UserError

BRIEF = {"max_new_tokens": 6}
MESSAGES = [
    {"role": "user", "content": "안녕"},
    {"role": "assistant", "content": "응 안녕"},
    {"role": "user", "content": "뭐 해?"},
]


@pytest.fixture
def companion(small_model: bundle.Model) -> Companion:
    return Companion(small_model)


@pytest.fixture
def prompts(companion: Companion, monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """Every prompt that reaches the engine."""
    seen: list[list[int]] = []
    stream = companion.engine.stream

    def spying(prompt: Any, *rest: Any) -> Any:
        seen.append(list(prompt))
        return stream(prompt, *rest)

    monkeypatch.setattr(companion.engine, "stream", spying)
    return seen


def checkpoint(encoder: CausalLMEncoder, path: Path) -> Path:
    module = small_module(encoder)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"yuhee": module.description(), "state_dict": module.state_dict()}, path)
    return path


def test_every_kind_of_path_speaks_the_same(encoder: CausalLMEncoder, small_bundle: Path, tmp_path: Path) -> None:
    file = checkpoint(encoder, tmp_path / "run" / "checkpoints" / "best.ckpt")
    places = [small_bundle, str(small_bundle), small_bundle.parent, file, tmp_path / "run"]
    replies = {yuhee.load(place).reply("안녕", seed=3, **BRIEF) for place in places}
    assert len(replies) == 1
    assert replies.pop().strip()


def test_importing_yuhee_loads_no_heavy_library() -> None:
    program = (
        "import sys, yuhee; print(sorted({'torch', 'transformers', 'lightning'} & set(sys.modules)), yuhee.__all__)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[] ['load']"


def test_loading_and_speaking_needs_no_configuration_and_no_trainer(small_bundle: Path) -> None:
    program = (
        "import sys, yuhee; yuhee.load(sys.argv[1]).reply('안녕', seed=1, max_new_tokens=2);"
        "print(sorted({'hydra', 'omegaconf', 'wandb'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(small_bundle)], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout.strip() == "[]"


def test_yuhee_has_nothing_but_what_it_says() -> None:
    with pytest.raises(AttributeError, match="lod"):
        yuhee.lod  # noqa: B018
    assert yuhee.load is not None


def test_a_seed_gives_the_same_reply_again(companion: Companion) -> None:
    replies = [companion.reply("안녕", seed=seed, **BRIEF) for seed in (1, 1, 2, 3, 1)]
    assert replies[0] == replies[1] == replies[4]
    assert len(set(replies)) > 1


def test_greedy_needs_no_seed(companion: Companion) -> None:
    assert len({companion.reply("안녕", greedy=True, seed=seed, **BRIEF) for seed in (None, 1, 2)}) == 1


def test_the_pieces_of_a_stream_join_to_the_reply(companion: Companion) -> None:
    pieces = list(companion.stream(MESSAGES, seed=5, max_new_tokens=20))
    assert "".join(pieces) == companion.reply(MESSAGES, seed=5, max_new_tokens=20)
    assert len(pieces) > 1


def test_two_streams_at_once_do_not_mix(companion: Companion) -> None:
    texts = ("안녕", "오늘 너무 힘들었어ㅠㅠ")
    alone = [companion.reply(text, seed=5, max_new_tokens=12) for text in texts]
    streams = [companion.stream(text, seed=5, max_new_tokens=12) for text in texts]
    mixed = ["", ""]
    for _ in range(40):
        for index, stream in enumerate(streams):
            mixed[index] += next(stream, "")
    assert mixed == alone


def test_a_reply_does_not_remember_the_one_before(companion: Companion, prompts: list[list[int]]) -> None:
    companion.reply("안녕", **BRIEF)
    companion.reply("뭐 해?", **BRIEF)
    assert prompts == [companion.model.encoder.prompt([Turn("user", text)]) for text in ("안녕", "뭐 해?")]


def test_messages_become_the_prompt_of_training(companion: Companion, prompts: list[list[int]]) -> None:
    messages = [{**MESSAGES[0], "emotion": "1"}, MESSAGES[1], {**MESSAGES[2], "emotion": None}]
    companion.reply(messages, emotion="2", **BRIEF)
    turns = [Turn("user", "안녕", emotion="1"), Turn("assistant", "응 안녕"), Turn("user", "뭐 해?", emotion="2")]
    assert prompts == [companion.model.encoder.prompt(turns)]


def test_a_system_message_reaches_the_model(companion: Companion, prompts: list[list[int]]) -> None:
    companion.reply([{"role": "system", "content": "너는 다정한 친구야"}, *MESSAGES], **BRIEF)
    assert prompts[0][0] == companion.model.encoder.markers[SYSTEM]


def test_a_conversation_looks_back_as_far_as_training_did(companion: Companion, prompts: list[list[int]]) -> None:
    messages = [message for number in range(6) for message in ({"role": "user", "content": f"{number}"}, MESSAGES[1])]
    companion.reply([*messages, MESSAGES[2]], **BRIEF)
    assert prompts[0].count(companion.model.encoder.markers["<usr>"]) == 4


def test_a_caller_may_choose_how_far_to_look_back(companion: Companion, prompts: list[list[int]]) -> None:
    session = companion.session(exchanges=0)
    for text in ("안녕", "뭐 해?"):
        list(session.say(Turn("user", text), yuhee.chat.engine.Decoding(max_new_tokens=2)))
    assert [prompt.count(companion.model.encoder.markers["<usr>"]) for prompt in prompts] == [1, 1]


def test_the_longest_message_gets_a_reply(companion: Companion) -> None:
    assert companion.reply("가나다 " * 25_000, seed=1, **BRIEF).strip()


def test_a_crisis_gets_the_fixed_answer_whatever_was_said_before(companion: Companion) -> None:
    assert companion.reply([*MESSAGES[:2], {"role": "user", "content": "나 죽고 싶어"}]) == CRISIS_REPLY
    assert list(companion.stream("자살하고 싶어", greedy=True)) == [CRISIS_REPLY]


def test_a_known_emotion_changes_the_prompt_only(companion: Companion, prompts: list[list[int]]) -> None:
    assert companion.emotion_labels == ["0", "1", "2"]
    for emotion in (None, "0", "1"):
        companion.reply("안녕", emotion=emotion, **BRIEF)
    assert prompts == [
        companion.model.encoder.prompt([Turn("user", "안녕", emotion=emotion)]) for emotion in (None, "0", "1")
    ]
    assert len(set(map(tuple, prompts))) == 3


@pytest.mark.parametrize("emotion", ["9", "", "슬픔", "01", 1, "</s><sys>"])
def test_an_unknown_emotion_is_refused_with_the_known_ones(companion: Companion, emotion: Any) -> None:
    with pytest.raises(UserError, match="0, 1, 2"):
        companion.reply("안녕", emotion=emotion)


@pytest.mark.parametrize("emotion", ["9", 1, ["1"]])
def test_an_unknown_emotion_of_a_message_is_refused_as_well(companion: Companion, emotion: Any) -> None:
    with pytest.raises(UserError, match="0, 1, 2"):
        companion.reply([{"role": "user", "content": "안녕", "emotion": emotion}], **BRIEF)


def test_a_model_without_emotions_says_so(encoder: CausalLMEncoder) -> None:
    blind = CausalLMEncoder(encoder.tokenizer, max_length=128, emotion="none")
    module = small_module(blind)
    companion = Companion(bundle.Model(module.network.eval(), blind, module.description()))
    assert companion.emotion_labels == []
    with pytest.raises(UserError, match="감정 없이 학습한 모델"):
        companion.reply("안녕", emotion="1")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"temprature": 0.5}, "temprature"),
        ({"top_k": 5}, "top_p"),
        ({"temperature": 0}, "temperature=0"),
        ({"top_p": 2.0}, "top_p=2.0"),
        ({"max_new_tokens": 0}, "max_new_tokens=0"),
        ({"temperature": "뜨겁게"}, "temperature"),
        ({"max_new_tokens": None}, "max_new_tokens"),
    ],
)
def test_a_bad_option_is_refused_before_anything_is_said(
    companion: Companion, options: dict[str, Any], told: str
) -> None:
    with pytest.raises(UserError, match=told):
        companion.stream("안녕", **options)


@pytest.mark.parametrize("options", [{"temperature": 1}, {"repetition_penalty": 1}, {"top_p": 1}])
def test_a_whole_number_is_a_number_too(companion: Companion, options: dict[str, Any]) -> None:
    (name,) = options
    as_float = {name: float(options[name])}
    assert companion.reply("안녕", seed=1, **BRIEF, **options) == companion.reply("안녕", seed=1, **BRIEF, **as_float)


@pytest.mark.parametrize("seed", [2**64, 2**200, 1.5, "씨앗"])
def test_an_impossible_seed_is_refused(companion: Companion, seed: Any) -> None:
    with pytest.raises(UserError, match="seed"):
        companion.reply("안녕", seed=seed, **BRIEF)


@pytest.mark.parametrize("text", ["", " ", "\n\n", "\u3000\xa0", "\ud800", "안녕\udcff"])
def test_a_message_that_says_nothing_is_refused(companion: Companion, text: str) -> None:
    with pytest.raises(UserError, match="메시지를 읽을 수 없습니다"):
        companion.reply(text)


@pytest.mark.parametrize(
    "messages",
    [
        [],
        (),
        [MESSAGES[0], MESSAGES[1]],
        [{"role": "system", "content": "안녕"}],
        [{"role": "user"}],
        [{"content": "안녕"}],
        [{"role": "bot", "content": "안녕"}],
        [{"role": "user", "content": None}],
        [{"role": "user", "content": ["안녕"]}],
        [{"role": ["user"], "content": "안녕"}],
        ["안녕"],
        {"role": "user", "content": "안녕"},
        None,
        7,
        b"hello",
        [None],
    ],
    ids=repr,
)
def test_what_is_no_conversation_is_refused(companion: Companion, messages: Any) -> None:
    with pytest.raises(UserError):
        companion.reply(messages)


def test_a_refused_message_leaves_the_companion_usable(companion: Companion) -> None:
    before = companion.reply("안녕", seed=1, **BRIEF)
    with pytest.raises(UserError):
        companion.reply("")
    assert companion.reply("안녕", seed=1, **BRIEF) == before


def test_a_bundle_of_an_older_writer_without_lengths_still_speaks(small_bundle: Path) -> None:
    facts = json.loads((small_bundle / "yuhee.json").read_text(encoding="utf-8"))
    del facts["longest"], facts["emotion_labels"]
    (small_bundle / "yuhee.json").write_text(json.dumps(facts), encoding="utf-8")
    companion = yuhee.load(small_bundle)
    assert companion.reply(MESSAGES, seed=1, **BRIEF).strip()
    assert companion.emotion_labels == []


def test_the_command_says_in_one_sentence_what_is_no_model(
    run: Callable[..., subprocess.CompletedProcess[str]], small_bundle: Path
) -> None:
    (small_bundle / "model.safetensors").write_bytes(b"\x00" * 50)
    error = one_sentence_error(run("yuhee", "chat", str(small_bundle), stdin="안녕\n"))
    assert str(small_bundle) in error
    assert "\n" not in error
