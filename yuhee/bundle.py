"""A finished model as one folder, which plain `transformers` reads as well as yuhee."""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from transformers import CONFIG_MAPPING, AutoConfig, GenerationConfig, PreTrainedModel
from transformers.utils import logging as transformers_logging

from yuhee.data.encoding.encoder import Encoder, encoder_class
from yuhee.errors import UserError
from yuhee.model_card import model_card
from yuhee.models import character_linear  # noqa: F401 - makes a network of ours known to `transformers`
from yuhee.models.lora import add_lora, merge_lora
from yuhee.models.positions import longest_input
from yuhee.paths import write_private

FORMAT = "yuhee-bundle/1"
CHECKPOINT_FORMAT = "yuhee-checkpoint/1"
# What a conversation sounds best with: free enough not to loop, close enough to make sense.
SAMPLING = {"do_sample": True, "temperature": 0.3, "top_p": 0.9, "repetition_penalty": 1.05, "max_new_tokens": 64}


@dataclass(frozen=True)
class Model:
    """A loaded model: network (in evaluation mode), encoder, and the facts of `yuhee.json`."""

    network: PreTrainedModel
    encoder: Any  # an `Encoder`; what the network can do decides which
    facts: Mapping[str, Any]


def save_bundle(model: Model, folder: Path, figures: Mapping[str, float]) -> None:
    """Write the folder whole, or leave what was there.

    It holds safetensors weights, tokenizer files, `yuhee.json` and a model card; where the model writes, also
    `chat_template.jinja` and generation settings with the stop token.

    Raises:
        UserError: the disk is full or read-only.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".bundle-") as name:
            building = Path(name) / "bundle"
            building.mkdir()
            _write(model, building, figures)
            _replace(folder, building, Path(name) / "old")
    except (OSError, RuntimeError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or str(error).split("\n")[0]
        raise UserError(
            f"{folder}: 모델을 저장하지 못했습니다({reason}). 체크포인트는 남아 있으니 공간을 비우고 다시 해 주세요."
        ) from None


def add_fact(folder: Path, name: str, value: Any) -> None:
    """Add to a bundle's `yuhee.json`, and render its card anew; a crash leaves both files whole.

    Raises:
        UserError: the disk is full or read-only.
    """
    facts = json.loads((folder / "yuhee.json").read_text(encoding="utf-8")) | {name: value}
    texts = {
        "yuhee.json": json.dumps(facts, ensure_ascii=False, indent=2) + "\n",
        "README.md": model_card(facts),
    }
    try:
        for file, text in texts.items():
            mode = (folder / file).stat().st_mode
            write_private(folder / file, text)
            (folder / file).chmod(mode)
    except OSError as error:
        raise UserError(f"{folder}: 적지 못했습니다({error.strerror}). 공간과 권한을 확인해 주세요.") from None


def _replace(folder: Path, new: Path, old: Path) -> None:
    if folder.exists():
        folder.rename(old)
    try:
        new.rename(folder)
    except OSError:
        if old.exists():
            old.rename(folder)
        raise


def load(path: str | Path) -> Model:
    """Load a bundle, a run folder or a `.ckpt`, without configuration, network or unsafe pickle.

    A run folder gives its bundle, or while there is none its best or last checkpoint.

    Raises:
        UserError: nothing there, or a file that is broken, foreign or unsafe.
    """
    place = Path(path).expanduser()
    if folder := bundle_folder(place):
        return _load_bundle(folder)
    if place.is_dir():
        for name in ("best.ckpt", "last.ckpt", "previous.ckpt"):
            if (place / "checkpoints" / name).is_file():
                return load_checkpoint(place / "checkpoints" / name)
        raise UserError(f"{place}: 모델이 없습니다. 실행 폴더나 bundle/ 폴더, .ckpt 파일을 주세요.")
    return load_checkpoint(place)


def bundle_folder(path: str | Path) -> Path | None:
    """The bundle that `load` takes from a path; None if that is or holds a checkpoint only."""
    place = Path(path).expanduser()
    return next((folder for folder in (place, place / "bundle") if (folder / "yuhee.json").is_file()), None)


def privacy_of(path: Path) -> str:
    """What was done about personal data in the training of a model (see `ReadReport.privacy`); `public` if unknown."""
    if (path / "yuhee.json").is_file():
        facts = json.loads((path / "yuhee.json").read_text(encoding="utf-8"))
    elif path.suffix == ".ckpt" and path.is_file():
        facts = torch.load(path, map_location="cpu", weights_only=True, mmap=True)["yuhee"]
    else:
        return "public"
    return "unmasked" if facts.get("private") else str(facts.get("privacy", "public"))


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The content of a `.ckpt`, read as data only (`weights_only`).

    Raises:
        UserError: missing, broken, foreign or unsafe.
    """
    if not path.exists():
        raise UserError(f"{path}: 그런 파일이나 폴더가 없습니다. outputs/ 아래의 실행 폴더를 주세요.")
    try:
        checkpoint: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        version = checkpoint["yuhee"]["format"]
    except Exception:  # whatever a foreign file makes torch say, it means the same to the user
        raise _foreign(path) from None
    if version != CHECKPOINT_FORMAT:
        raise UserError(f"{path}: 다른 판의 체크포인트입니다({version}). 그 판의 yuhee로 열어 주세요.")
    return checkpoint


def load_checkpoint(path: Path) -> Model:
    """Load the model of a `.ckpt`.

    Raises:
        UserError: missing, broken, foreign or unsafe, or the adapters of a model alone.
    """
    checkpoint = read_checkpoint(path)
    description = checkpoint["yuhee"]
    if description.get("adapters_alone"):
        raise UserError(
            f"{path}: 4비트로 배우는 동안의 체크포인트에는 LoRA 가중치만 있어 모델로 열 수 없습니다. "
            "학습이 끝난 실행 폴더의 bundle/을 여세요(ckpt_path=last로 이어 갈 수 있습니다)."
        )
    try:
        kind = _encoder_class(description)
        network = _network(description["network"], kind)
        prefix = "network."
        weights = {k.removeprefix(prefix): v for k, v in checkpoint["state_dict"].items() if k.startswith(prefix)}
        if adapters := description.get("lora"):
            add_lora(network, adapters)
        network.load_state_dict(weights)
        if adapters:
            merge_lora(network)
        return _model(network, kind.restore(description["tokenizer"], description["encoder"]), description)
    except UserError:
        raise
    except Exception:
        raise _foreign(path) from None


def _foreign(path: Path) -> UserError:
    return UserError(
        f"{path}: yuhee의 체크포인트가 아니거나 손상된 파일이라 열지 않았습니다. 코드를 실행할 수 있는 파일은 받지 않습니다."
    )


def _load_bundle(folder: Path) -> Model:
    try:
        facts = json.loads((folder / "yuhee.json").read_text(encoding="utf-8"))
        if facts["format"] != FORMAT:
            raise UserError(f"{folder}: 다른 판의 모델입니다({facts['format']}). 그 판의 yuhee로 열어 주세요.")
        kind = _encoder_class(facts)
        network = _network(json.loads((folder / "config.json").read_text(encoding="utf-8")), kind)
        network = _with_weights(network, load_file(folder / "model.safetensors"))
        vocabulary = (folder / "tokenizer.json").read_text(encoding="utf-8")
        return _model(network, kind.restore(vocabulary, facts["encoder"]), facts)
    except UserError:
        raise
    except Exception as error:
        reason = str(error).strip().split("\n")[0][:160]
        raise UserError(f"{folder}: 모델 폴더가 손상되어 열 수 없습니다({reason}).") from None


def _network(config: dict[str, Any], encoder: type[Encoder]) -> PreTrainedModel:
    # what could name code: a custom class, or a kernel to fetch
    code = ("auto_map", "quantization_config", "attn_implementation", "_attn_implementation", "transformers_version")
    values = {key: value for key, value in config.items() if key not in code}
    name = values.get("model_type")
    if name is not None and name not in CONFIG_MAPPING and "auto_map" in config:
        raise UserError(
            f"{name}: 체크포인트가 가져온 코드로만 열리는 모델인데, yuhee는 모델을 열 때 코드를 돌리지 않습니다. "
            "transformers의 from_pretrained(…, trust_remote_code=True)로 여세요."
        )
    auto = getattr(transformers, encoder.network)
    network: PreTrainedModel = auto.from_config(AutoConfig.for_model(**values), dtype=torch.float32)
    return network


def _encoder_class(facts: Mapping[str, Any]) -> type[Encoder]:
    kind = str(facts["encoder"]["kind"])
    try:
        return encoder_class(kind)
    except ValueError:
        raise UserError(f"이 판의 yuhee는 {kind} 모델을 모릅니다. 새 판으로 열어 주세요.") from None


def _with_weights(network: PreTrainedModel, weights: dict[str, Tensor]) -> PreTrainedModel:
    """The network with weights as a folder names them, which for some families are not its own names.

    Raises:
        ValueError: weights are missing, or of another network.
    """
    verbosity, shown = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        filled, found = type(network).from_pretrained(
            None, config=network.config, state_dict=weights, dtype=torch.float32, output_loading_info=True
        )
    finally:
        transformers_logging.set_verbosity(verbosity)
        if shown:
            transformers_logging.enable_progress_bar()
    for problem in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if found[problem]:
            raise ValueError(f"{problem}: {sorted(map(str, found[problem]))[0]}")
    whole: PreTrainedModel = filled
    return whole


def _model(network: PreTrainedModel, encoder: Encoder, facts: Mapping[str, Any]) -> Model:
    if encoder.special_ids()["vocab_size"] > network.get_input_embeddings().num_embeddings:
        raise ValueError("the tokenizer has more tokens than the network")
    drop = ("network", "tokenizer")
    return Model(network.eval(), encoder, {key: value for key, value in facts.items() if key not in drop})


def _write(model: Model, folder: Path, figures: Mapping[str, float]) -> None:
    if model.network.can_generate():
        ids = {key: value for key, value in model.encoder.special_ids().items() if key != "vocab_size"}
        model.network.generation_config = GenerationConfig(**SAMPLING, **ids)
    model.network.save_pretrained(folder, safe_serialization=True)
    model.encoder.save(folder, longest_input(model.network))
    facts = {key: value for key, value in model.facts.items() if key not in ("network", "tokenizer")}
    facts |= {"format": FORMAT, "figures": dict(figures)}
    (folder / "yuhee.json").write_text(json.dumps(facts, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    (folder / "README.md").write_text(model_card(facts), encoding="utf-8")
