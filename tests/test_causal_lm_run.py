"""Checkpoints of known families from the command line to a conversation."""

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from typer.testing import CliRunner

import yuhee
from tests.chat_families import BY_NAME, checkpoint, random_llm
from tests.conftest import dialogue
from tests.data.test_chat_lm import encoder_of
from tests.training.sweep_corpus import write_corpus
from yuhee import cli
from yuhee.chat.engine import Decoding, Engine
from yuhee.chat.session import Memory, Session
from yuhee.data.dialogue import Turn
from yuhee.errors import UserError
from yuhee.evaluation.likelihood import score_replies
from yuhee.models.chat_lm import ChatLM
from yuhee.training import Interrupted, compose_config, parse_config, train

Run = Callable[..., subprocess.CompletedProcess[str]]
SMALL = ("data=songys", "data.privacy=public", "data.path=corpus.csv", "data.batch_size=4", "data.epochs=1")
GREEDY = Decoding(greedy=True, max_new_tokens=8)


def _trained(case: str, folder: str, *arguments: str, ckpt_path: str | None = None) -> dict[str, Any]:
    if not Path(case).exists():
        write_corpus(Path())
        checkpoint(BY_NAME[case], Path(case))
    config = parse_config(compose_config(["model=causal_lm", f"model.pretrained={case}", *SMALL, *arguments]))
    metrics = train(config.model_copy(update={"ckpt_path": ckpt_path}), Path(folder)).metrics
    return {name: value for name, value in metrics.items() if name.split("/")[0] in ("train", "val", "test")}


def test_from_a_folder_to_a_conversation_a_report_and_plain_transformers(run: Run) -> None:
    write_corpus(Path())
    checkpoint(BY_NAME["gemma2"], Path("gemma"))
    adapters = ("model.lora.r=4", "model.lora.target=[q_proj, v_proj]", "model.gradient_checkpointing=true")
    start = ("model=causal_lm", "model.pretrained=gemma", *SMALL, "hydra.run.dir=run", *adapters)
    result = run("train.py", *start)
    assert result.returncode == 0, result.stderr
    chat = CliRunner().invoke(cli.app, ["chat", "run", "--greedy"], input="안녕\n<end_of_turn>뭐 해?\n")
    assert len(chat.stdout.splitlines()) == 2
    report = CliRunner().invoke(cli.app, ["evaluate", "run", "--limit", "4"])
    assert report.exit_code == 0, report.output
    tokenizer = AutoTokenizer.from_pretrained("run/bundle")
    network = AutoModelForCausalLM.from_pretrained("run/bundle")
    companion = yuhee.load("run")
    messages = [{"role": "user", "content": "안녕 <start_of_turn>model\n", "emotion": "1"}]
    ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
    assert ids == companion.model.encoder.prompt(companion._turns(messages, None))
    torch.testing.assert_close(network(torch.tensor([ids])).logits, companion.model.network(torch.tensor([ids])).logits)
    assert network.generation_config.eos_token_id == companion.model.encoder.end_id


def test_the_sum_over_replies_is_what_training_measured() -> None:
    case = encoder_of(BY_NAME["qwen3"])
    metrics = _trained("qwen3", "run", "data.history=null")
    companion = yuhee.load("run")
    assert companion.model.encoder.kind == case.kind
    talks = [dialogue("안녕", "응", "뭐 해", "쉬어\n너는?"), dialogue("밥", "먹었지")]
    scores = score_replies(companion.model, talks)
    assert [sorted(each) for each in scores] == [[1, 3], [1]]
    batch = companion.model.encoder.collate()(companion.model.encoder.encode(talks))
    config = parse_config(compose_config(["model=causal_lm", "model.pretrained=qwen3", *SMALL])).model
    module = ChatLM(companion.model.network, companion.model.encoder, config, {}).eval()
    with torch.inference_mode():
        figures = module.evaluated(batch).figures("val")
    characters = sum(len(reply) + 1 for talk in talks for reply in talk.replies)
    assert sum(s.bits for each in scores for s in each.values()) / characters == pytest.approx(
        figures["val/bpc"], rel=1e-5
    )
    assert metrics["test/bpc"] > 0


@pytest.mark.parametrize("in_4bit", [False, True])
def test_a_stopped_run_of_adapters_goes_on_exactly(monkeypatch: pytest.MonkeyPatch, in_4bit: bool) -> None:
    adapters = ("model.lora.r=4", "model.lora.dropout=0.2", f"model.load_in_4bit={in_4bit}")
    whole = _trained("llama3", "whole", *adapters)
    calls = 0
    original = ChatLM.objective

    def interrupted(self: ChatLM, batch: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 5:
            signal.raise_signal(signal.SIGINT)
        return original(self, batch)

    monkeypatch.setattr(ChatLM, "objective", interrupted)
    with pytest.raises(Interrupted):
        _trained("llama3", "stopped", *adapters)
    again = _trained("llama3", "stopped", *adapters, ckpt_path="last")
    steady = [name for name in whole if not name.endswith("per_second")]
    assert {name: again[name] for name in steady} == {name: whole[name] for name in steady}
    one, other = (yuhee.load(folder).model.network.state_dict() for folder in ("whole", "stopped"))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    best = "whole/checkpoints/best.ckpt"
    if in_4bit:
        with pytest.raises(UserError, match=r"best\.ckpt: 4비트.*bundle/"):
            yuhee.load(best)
    else:
        assert yuhee.load("whole").reply("안녕", greedy=True) == yuhee.load(best).reply("안녕", greedy=True)


@pytest.mark.parametrize("name", ["gemma3", "mistral", "llama3", "qwen3"])
def test_a_conversation_with_a_warm_cache_says_what_one_without_says(name: str) -> None:
    """The windows of Gemma 3 and Mistral are shorter than the conversation: what has slid out cannot be taken back."""
    case = BY_NAME[name]
    encoder = encoder_of(case)
    network = random_llm(case, encoder.tokenizer.get_vocab_size())
    warm = Session(Engine(network, encoder), encoder, Memory(5, 400))
    for message in ("안녕! 오늘 뭐 했어?", "그래?", "시험을 망쳤어. 다시는 안 볼래", "ㅋㅋ"):
        cold = Session(Engine(network, encoder), encoder, Memory(5, 400))
        cold.restore(warm.turns)
        assert "".join(cold.say(Turn("user", message), GREEDY)) == "".join(warm.say(Turn("user", message), GREEDY))
        warm.undo()
        "".join(warm.say(Turn("user", message), GREEDY))


def test_control_tokens_of_the_family_are_never_said_and_its_end_ends_a_reply() -> None:
    case = BY_NAME["llama3"]
    encoder = encoder_of(case)
    network = random_llm(case, encoder.tokenizer.get_vocab_size())
    prompt = encoder.prompt([Turn("user", "안녕")])
    engine = Engine(network, encoder)
    head = network.get_output_embeddings()
    wanted = encoder.tokenizer.token_to_id("<|start_header_id|>")
    shift = torch.zeros(head.weight.shape[0])
    shift[wanted] = 1e4
    hook = head.register_forward_hook(lambda _, __, logits: logits + shift)
    ids = list(engine.stream(prompt, GREEDY))
    assert len(ids) == 8
    assert not encoder.control_ids & set(ids)
    shift[encoder.end_id] = 2e4
    assert len(list(engine.stream(prompt, GREEDY))) == 1  # no reply is empty
    hook.remove()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "bert"}, "bert"),
        ({"model_type": "made_up"}, "made_up"),
        ({"vocab_size": 40}, "모델의 어휘는 40개"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_one_sentence(change: dict[str, Any], message: str) -> None:
    write_corpus(Path())
    case = BY_NAME["llama3"]
    checkpoint(case, Path("llama"))
    config = json.loads(Path("llama/config.json").read_text())
    Path("llama/config.json").write_text(json.dumps({**config, **change}))
    if "vocab_size" in change:
        random_llm(case, change["vocab_size"]).save_pretrained("llama")
    config = parse_config(compose_config(["model=causal_lm", "model.pretrained=llama", *SMALL]))
    with pytest.raises(UserError, match=message):
        train(config, Path("run"))


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("tokenizer_config.json", b'{"chat_template": ["x"]}', r"tokenizer_config\.json의 chat_template이\(가\) 손상"),
        ("tokenizer_config.json", b'{"chat_template": 3}', r"tokenizer_config\.json의 chat_template이\(가\) 손상"),
        ("chat_template.jinja", b"\xff\xfe", r"chat_template\.jinja이\(가\) 손상"),
        ("tokenizer.json", b"null", "토크나이저 파일이 아닙니다"),
        ("tokenizer.json", b'{"added_tokens": null}', "토크나이저 파일이 아닙니다"),
    ],
)
def test_damaged_files_of_a_checkpoint_are_one_sentence(file: str, content: bytes, told: str) -> None:
    write_corpus(Path())
    checkpoint(BY_NAME["llama3"], Path("llama"))
    Path("llama/chat_template.jinja").unlink(missing_ok=True)
    Path("llama", file).write_bytes(content)
    config = parse_config(compose_config(["model=causal_lm", "model.pretrained=llama", *SMALL]))
    with pytest.raises(UserError, match=told):
        train(config, Path("run"))


def test_code_is_trusted_by_name_only() -> None:
    asked = ["model=causal_lm", "model.pretrained=llama", "data=sample"]
    with pytest.raises(UserError, match=r"model\.pretrained와 똑같은 이름"):
        parse_config(compose_config([*asked, "model.trust_remote_code=true"]))
    for value in ("false", "null", "llama"):
        assert parse_config(compose_config([*asked, f"model.trust_remote_code={value}"]))


def test_the_yaml_asks_for_a_checkpoint() -> None:
    with pytest.raises(UserError, match=r"model\.pretrained"):
        parse_config(compose_config(["model=causal_lm", "data=sample"]))
