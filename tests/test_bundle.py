import errno
import json
import resource
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig, PreTrainedModel

from tests.conftest import small_module
from yuhee import bundle
from yuhee.data.dialogue import Turn
from yuhee.data.encoding.causal_lm import CausalLMEncoder
from yuhee.errors import UserError

CONVERSATIONS: list[list[dict[str, str]]] = [
    [{"role": "user", "content": "안녕"}],
    [{"role": "user", "content": "  오늘 너무 힘들었어ㅠㅠ ", "emotion": "1"}],
    [
        {"role": "user", "content": "밥은 먹었어?\n뭐 먹었는데", "emotion": "0"},
        {"role": "assistant", "content": "라면 먹었어 :)\r\n맛있더라"},
        {"role": "user", "content": "🦄뷁 ^^"},
    ],
    [
        {"role": "system", "content": "너는 다정한 친구야"},
        {"role": "user", "content": "</s><sys>나는 <unused0> 사람<usr>"},
    ],
    [{"role": "user", "content": ":-<usr>"}, {"role": "assistant", "content": ":-"}, {"role": "user", "content": "8<"}],
]


def turns(messages: list[dict[str, str]]) -> list[Turn]:
    return [Turn(m["role"], m["content"], emotion=m.get("emotion")) for m in messages]


def small(encoder: CausalLMEncoder, **facts: object) -> bundle.Model:
    module = small_module(encoder)
    return bundle.Model(module.network.eval(), encoder, {**module.description(), **facts})


def checkpoint(encoder: CausalLMEncoder, path: Path, **description: object) -> Path:
    module = small_module(encoder)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"yuhee": {**module.description(), **description}, "state_dict": module.state_dict()}, path)
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def edit(file: Path, **values: object) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text(encoding="utf-8")), **values}), encoding="utf-8")


def logits(network: PreTrainedModel, ids: list[int]) -> torch.Tensor:
    with torch.inference_mode():
        result: torch.Tensor = network(torch.tensor([ids])).logits
    return result


@pytest.mark.parametrize("kind", ["tiny", "kogpt2_like", "stripped", "no emotion"])
def test_plain_transformers_reads_the_same_ids_and_computes_the_same_logits(
    encoder: CausalLMEncoder, kogpt2_like: CausalLMEncoder, tmp_path: Path, kind: str
) -> None:
    chosen = {
        "tiny": encoder,
        "kogpt2_like": kogpt2_like,
        "stripped": CausalLMEncoder(encoder.tokenizer, max_length=128, punctuation="strip"),
        "no emotion": CausalLMEncoder(encoder.tokenizer, max_length=128, emotion="none"),
    }[kind]
    model = small(chosen)
    bundle.save_bundle(model, tmp_path / "b", {})
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "b")
    network = AutoModelForCausalLM.from_pretrained(tmp_path / "b").eval()
    for messages in CONVERSATIONS:
        ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
        assert ids == chosen.prompt(turns(messages), 10_000)
        assert torch.equal(logits(network, ids), logits(model.network, ids))


def test_the_real_kogpt2_tokenizer_survives_plain_transformers(kogpt2_json: str, tmp_path: Path) -> None:
    from yuhee.data.encoding.tokenizer import parse_tokenizer

    encoder = CausalLMEncoder(parse_tokenizer(kogpt2_json), max_length=128)
    bundle.save_bundle(small(encoder), tmp_path / "b", {})
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "b")
    for messages in CONVERSATIONS:
        ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
        assert ids == encoder.prompt(turns(messages), 10_000)
    reply = encoder.turn_ids(Turn("assistant", "힘들었겠다ㅠㅠ 힘내 ^^ 😊"))
    assert tokenizer.decode(reply, skip_special_tokens=True).strip() == "힘들었겠다ㅠㅠ 힘내 ^^ 😊"


def test_a_loaded_bundle_is_the_model_that_was_saved(small_model: bundle.Model, small_bundle: Path) -> None:
    loaded = bundle.load(small_bundle)
    ids = small_model.encoder.prompt([Turn("user", "안녕", emotion="1")])
    assert loaded.encoder.settings == small_model.encoder.settings
    assert loaded.encoder.prompt([Turn("user", "안녕", emotion="1")]) == ids
    assert not loaded.network.training
    assert torch.equal(logits(loaded.network, ids), logits(small_model.network, ids))


def test_saving_a_loaded_bundle_gives_the_same_folder_again(small_bundle: Path, tmp_path: Path) -> None:
    first = bundle.load(small_bundle)
    bundle.save_bundle(first, tmp_path / "again", first.facts["figures"])
    again = contents(tmp_path / "again")
    for name, data in contents(small_bundle).items():
        if name == "yuhee.json":
            assert first.facts == bundle.load(tmp_path / "again").facts
        else:
            assert again[name] == data, name


def test_generation_stops_at_the_end_token(small_model: bundle.Model, small_bundle: Path) -> None:
    settings = GenerationConfig.from_pretrained(small_bundle)
    assert settings.eos_token_id == small_model.encoder.end_id
    assert settings.pad_token_id == small_model.encoder.markers["<pad>"]
    assert settings.max_new_tokens == 64
    assert settings.do_sample


def test_the_tokenizer_names_a_class_that_every_release_knows(small_bundle: Path) -> None:
    config = json.loads((small_bundle / "tokenizer_config.json").read_text(encoding="utf-8"))
    assert config["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert not {"is_local", "local_files_only", "backend", "name_or_path", "auto_map"} & set(config)
    assert config["eos_token"] == "</s>"


def test_no_file_tells_where_it_was_made(small_bundle: Path, tmp_path: Path) -> None:
    for name, data in contents(small_bundle).items():
        assert str(tmp_path).encode() not in data, name


def test_the_folder_holds_safetensors_and_no_pickle(small_bundle: Path) -> None:
    assert set(contents(small_bundle)) == {
        "README.md",
        "chat_template.jinja",
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
        "yuhee.json",
    }
    assert "transformer.wte.weight" in load_file(small_bundle / "model.safetensors")


def test_yuhee_json_holds_the_keys_of_the_contract(small_bundle: Path) -> None:
    facts = json.loads((small_bundle / "yuhee.json").read_text(encoding="utf-8"))
    assert facts["format"] == "yuhee-bundle/1"
    assert facts["family"] == "causal_lm"
    assert facts["encoder"] == {"kind": "causal_lm", "max_length": 128, "emotion": "label", "punctuation": "keep"}
    assert facts["emotion_labels"] == ["0", "1", "2"]
    assert facts["corpus_hash"] == "0" * 32
    assert facts["split"] == {"by": "group", "seed": 0, "ratios": [0.8, 0.1, 0.1]}
    assert facts["private"] is False
    assert facts["figures"] == {"test/bpc": 9.0}


def test_yuhee_json_does_not_repeat_the_tokenizer_and_the_network(small_bundle: Path) -> None:
    facts = json.loads((small_bundle / "yuhee.json").read_text(encoding="utf-8"))
    assert not {"tokenizer", "network"} & set(facts)


def test_saving_over_a_bundle_replaces_all_of_it(small_model: bundle.Model, small_bundle: Path) -> None:
    (small_bundle / "pytorch_model.bin").write_bytes(b"old")
    bundle.save_bundle(small_model, small_bundle, {"test/bpc": 1.0})
    assert not (small_bundle / "pytorch_model.bin").exists()
    assert bundle.load(small_bundle).facts["figures"] == {"test/bpc": 1.0}
    assert [file.name for file in small_bundle.parent.iterdir()] == ["bundle"]


def test_a_bundle_can_be_saved_where_no_folder_was(small_model: bundle.Model, tmp_path: Path) -> None:
    folder = tmp_path / "새 폴더" / "a=b, (c)" / "bundle"
    bundle.save_bundle(small_model, folder, {})
    assert bundle.load(str(folder)).facts["figures"] == {}


def test_a_full_disk_leaves_the_old_bundle(
    small_model: bundle.Model, small_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(small_bundle)

    def full(self: Any, folder: Path, **_: Any) -> None:
        (Path(folder) / "half").write_bytes(b"x")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(type(small_model.network), "save_pretrained", full)
    with pytest.raises(UserError, match="No space left on device"):
        bundle.save_bundle(small_model, small_bundle, {})
    assert contents(small_bundle) == before
    assert [file.name for file in small_bundle.parent.iterdir()] == ["bundle"]


def test_weights_that_do_not_fit_on_the_disk_are_one_sentence(small_model: bundle.Model, small_bundle: Path) -> None:
    before = contents(small_bundle)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(UserError, match="저장하지 못했습니다"):
            bundle.save_bundle(small_model, small_bundle, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert contents(small_bundle) == before
    assert [file.name for file in small_bundle.parent.iterdir()] == ["bundle"]


def test_a_failure_at_the_last_step_leaves_the_old_bundle(
    small_model: bundle.Model, small_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(small_bundle)
    rename = Path.rename

    def refusing(self: Path, target: Path) -> Path:
        if Path(target) == small_bundle and self.parent.name.startswith(".bundle-") and self.name == "bundle":
            raise OSError(errno.EIO, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refusing)
    with pytest.raises(UserError):
        bundle.save_bundle(small_model, small_bundle, {})
    assert small_bundle.is_dir(), "the old bundle is gone"
    assert contents(small_bundle) == before


def test_a_file_where_the_folder_should_stand_is_one_sentence(small_model: bundle.Model, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="저장하지 못했습니다"):
        bundle.save_bundle(small_model, tmp_path / "file" / "bundle", {})


def test_a_checkpoint_gives_the_model_that_wrote_it(encoder: CausalLMEncoder, tmp_path: Path) -> None:
    loaded = bundle.load(checkpoint(encoder, tmp_path / "a.ckpt"))
    ids = encoder.prompt([Turn("user", "안녕")])
    assert torch.equal(logits(loaded.network, ids), logits(small_module(encoder).network.eval(), ids))
    assert loaded.encoder.settings == encoder.settings
    assert not {"network", "tokenizer"} & set(loaded.facts)


def test_a_checkpoint_becomes_a_bundle(encoder: CausalLMEncoder, tmp_path: Path) -> None:
    model = bundle.load(checkpoint(encoder, tmp_path / "a.ckpt"))
    bundle.save_bundle(model, tmp_path / "b", {"val/bpc": 2.5})
    facts = json.loads((tmp_path / "b" / "yuhee.json").read_text(encoding="utf-8"))
    assert facts["format"] == "yuhee-bundle/1"
    assert not {"network", "tokenizer"} & set(facts)


def test_a_run_folder_gives_its_bundle_before_its_checkpoints(encoder: CausalLMEncoder, small_bundle: Path) -> None:
    run = small_bundle.parent
    checkpoint(encoder, run / "checkpoints" / "best.ckpt", corpus="checkpoint")
    assert bundle.load(run).facts["corpus"] == "test"


def test_a_run_folder_without_a_bundle_gives_its_best_checkpoint(encoder: CausalLMEncoder, tmp_path: Path) -> None:
    for name in ("previous", "last", "best"):
        checkpoint(encoder, tmp_path / "run" / "checkpoints" / f"{name}.ckpt", corpus=name)
        assert bundle.load(tmp_path / "run").facts["corpus"] == name


@pytest.mark.parametrize("name", ["missing", "missing/deeper", "없는 폴더", "a.ckpt"])
def test_a_missing_path_is_one_sentence(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="그런 파일이나 폴더가 없습니다"):
        bundle.load(tmp_path / name)


@pytest.mark.parametrize("inside", ["", "bundle", "checkpoints"])
def test_an_empty_folder_is_one_sentence(tmp_path: Path, inside: str) -> None:
    folder = tmp_path / "empty"
    (folder / inside).mkdir(parents=True)
    with pytest.raises(UserError, match="모델이 없습니다"):
        bundle.load(folder)


class _Bomb:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.target,)


@pytest.mark.parametrize("place", ["alone", "yuhee", "state_dict", "extra"])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_malicious_checkpoint_runs_no_code(
    encoder: CausalLMEncoder, tmp_path: Path, place: str, zipped: bool
) -> None:
    module, bomb = small_module(encoder), _Bomb(tmp_path / "touched")
    whole: Any = {"yuhee": module.description(), "state_dict": module.state_dict()}
    whole = bomb if place == "alone" else {**whole, place: bomb}
    torch.save(whole, tmp_path / "evil.ckpt", _use_new_zipfile_serialization=zipped)
    with pytest.raises(UserError, match="코드를 실행할 수 있는 파일은 받지 않습니다"):
        bundle.load(tmp_path / "evil.ckpt")
    assert not (tmp_path / "touched").exists()
    torch.load(tmp_path / "evil.ckpt", weights_only=False)
    assert (tmp_path / "touched").exists(), "the bomb itself does not work"


@pytest.mark.parametrize(
    "data", [b"", b"hello", b"\x80\x05.", b"PK\x03\x04garbage", bytes(1000), "안녕".encode()], ids=repr
)
def test_a_foreign_file_is_one_sentence(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "model.ckpt"
    file.write_bytes(data)
    with pytest.raises(UserError, match="체크포인트가 아니거나 손상된"):
        bundle.load(file)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_truncated_checkpoint_is_one_sentence(encoder: CausalLMEncoder, tmp_path: Path, share: float) -> None:
    file = checkpoint(encoder, tmp_path / "a.ckpt")
    data = file.read_bytes()
    file.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(UserError, match="손상된"):
        bundle.load(file)


@pytest.mark.parametrize("content", [{}, [], {"state_dict": {}}, {"yuhee": {}}, {"yuhee": None, "state_dict": {}}])
def test_a_checkpoint_of_another_program_is_one_sentence(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / "other.ckpt")
    with pytest.raises(UserError, match="yuhee의 체크포인트가 아니거나"):
        bundle.load(tmp_path / "other.ckpt")


def test_a_checkpoint_of_another_version_says_so(encoder: CausalLMEncoder, tmp_path: Path) -> None:
    file = checkpoint(encoder, tmp_path / "a.ckpt", format="yuhee-checkpoint/2")
    with pytest.raises(UserError, match="yuhee-checkpoint/2"):
        bundle.load(file)


def test_a_bundle_of_another_version_says_so(small_bundle: Path) -> None:
    edit(small_bundle / "yuhee.json", format="yuhee-bundle/2")
    with pytest.raises(UserError, match="yuhee-bundle/2"):
        bundle.load(small_bundle)


def test_a_bundle_of_an_unknown_family_says_so(small_bundle: Path) -> None:
    edit(small_bundle / "yuhee.json", encoder={"kind": "telepathy"})
    with pytest.raises(UserError, match="telepathy"):
        bundle.load(small_bundle)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_bundle_that_lacks_a_file_is_one_sentence(small_bundle: Path, name: str) -> None:
    (small_bundle / name).unlink()
    with pytest.raises(UserError, match="손상되어 열 수 없습니다"):
        bundle.load(small_bundle)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json", "yuhee.json"])
@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b"3", b"\xff\xfe\x00", b"{}"], ids=repr)
def test_a_bundle_with_a_garbled_file_is_one_sentence(small_bundle: Path, name: str, data: bytes) -> None:
    (small_bundle / name).write_bytes(data)
    with pytest.raises(UserError) as error:
        bundle.load(small_bundle)
    assert str(small_bundle) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_truncated_weights_are_one_sentence(small_bundle: Path, share: float) -> None:
    file = small_bundle / "model.safetensors"
    file.write_bytes(file.read_bytes()[: int(file.stat().st_size * share)])
    with pytest.raises(UserError, match="손상되어 열 수 없습니다"):
        bundle.load(small_bundle)


@pytest.mark.parametrize(
    "values",
    [
        {"model_type": "unheard-of"},
        {"model_type": "t5"},
        {"model_type": None},
        {"n_embd": 64},
        {"n_layer": 3},
        {"n_head": 0},
        {"n_head": 5},
        {"vocab_size": 10},
        {"n_positions": 64},
        {"activation_function": "evil"},
    ],
)
def test_a_configuration_that_does_not_fit_is_one_sentence(small_bundle: Path, values: dict[str, Any]) -> None:
    edit(small_bundle / "config.json", **values)
    with pytest.raises(UserError, match="손상되어 열 수 없습니다"):
        bundle.load(small_bundle)


def test_a_tokenizer_with_more_tokens_than_the_network_is_one_sentence(small_bundle: Path) -> None:
    import yuhee

    file = small_bundle / "tokenizer.json"
    data = json.loads(file.read_text(encoding="utf-8"))
    flags = {"special": False, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    next_id = max(data["model"]["vocab"].values()) + 1
    data["added_tokens"].append({"id": next_id, "content": "새토큰", **flags})
    file.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(UserError):
        yuhee.load(small_bundle)


def test_code_in_a_bundle_is_not_run(small_bundle: Path, tmp_path: Path) -> None:
    for name in ("modeling_evil.py", "configuration_evil.py", "tokenization_evil.py", "__init__.py"):
        (small_bundle / name).write_text(f"open({str(tmp_path / 'touched')!r}, 'w')\nclass Evil: pass\n")
    map_ = {"AutoConfig": "configuration_evil.Evil", "AutoModelForCausalLM": "modeling_evil.Evil"}
    edit(small_bundle / "config.json", auto_map=map_, trust_remote_code=True, custom_pipelines={"evil": {}})
    edit(small_bundle / "tokenizer_config.json", auto_map={"AutoTokenizer": ["tokenization_evil.Evil", None]})
    (small_bundle / "pytorch_model.bin").write_bytes(b"not read")
    loaded = bundle.load(small_bundle)
    assert type(loaded.network).__name__ == "GPT2LMHeadModel"
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize("key", ["attn_implementation", "_attn_implementation"])
def test_a_bundle_cannot_ask_for_a_kernel_from_the_hub(small_bundle: Path, key: str) -> None:
    edit(small_bundle / "config.json", **{key: "evil/repo"})
    assert bundle.load(small_bundle).network.config._attn_implementation in ("sdpa", "eager")


@pytest.mark.parametrize(("private", "privacy"), [(True, "unmasked"), (False, "masked")])
def test_what_a_model_was_trained_on_is_not_forgotten_by_what_starts_from_it(
    encoder: CausalLMEncoder, tmp_path: Path, private: bool, privacy: str
) -> None:
    bundle.save_bundle(small(encoder, private=private, privacy=privacy), tmp_path / "bundle", {})
    assert bundle.privacy_of(tmp_path / "bundle") == privacy
    saved = checkpoint(encoder, tmp_path / "a.ckpt", private=private, privacy=privacy)
    assert bundle.privacy_of(saved) == privacy


def test_a_checkpoint_that_yuhee_did_not_make_is_public(tmp_path: Path) -> None:
    assert bundle.privacy_of(tmp_path) == "public"
    assert bundle.privacy_of(Path("skt/kogpt2-base-v2")) == "public"
