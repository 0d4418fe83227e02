"""Checkpoints by hub id or local folder. Nothing here runs code from a checkpoint."""

import json
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
import transformers
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
)
from tokenizers import Tokenizer
from transformers import PreTrainedModel

from yuhee.data.encoding.tokenizer import parse_tokenizer
from yuhee.errors import UserError
from yuhee.models.family_config import FamilyConfig

KINDS = {  # for people
    "AutoModelForCausalLM": "이어 쓰는 모델(causal LM)",
    "AutoModelForSeq2SeqLM": "인코더-디코더 모델(BART)",
    "AutoModelForSequenceClassification": "분류에 쓸 수 있는 모델(BERT, RoBERTa, ELECTRA)",
    "AutoModelForMaskedLM": "빈칸을 채우는 모델(masked LM)",
}
NO_GENERATOR = ("ElectraForPreTraining",)  # tells replaced words from others, and fills none
_UNNAMED = re.compile(r"LABEL_\d+")  # what `transformers` calls labels that nobody named
_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?", re.ASCII)


def load_tokenizer(place: str, key: str) -> Tokenizer:
    """Read `tokenizer.json` itself, from a folder, a file or the hub.

    `AutoTokenizer` would rebuild KoGPT2's, which lacks a `tokenizer_config.json`, as a byte-level GPT-2 tokenizer
    and drop every Hangul syllable without a word.

    Args:
        place: hub id, folder, or the file.
        key: the configuration key that named it, for messages.

    Raises:
        UserError: nothing there, or not a tokenizer.
    """
    file = tokenizer_file(place, key)
    try:
        return parse_tokenizer(file.read_text(encoding="utf-8"))
    except (ValueError, OSError):
        raise UserError(f"{file}: 토크나이저 파일이 아닙니다. {key}를 확인해 주세요.") from None


def tokenizer_file(place: str, key: str) -> Path:
    """Where the `tokenizer.json` of a folder, a file or a hub id is on this machine.

    Raises:
        UserError: nothing there.
    """
    local = Path(place).expanduser()
    file = local / "tokenizer.json" if local.is_dir() else local
    if not file.is_file():
        if local.is_dir():
            raise UserError(
                f"{key}={place}: 폴더에 tokenizer.json이 없습니다. 토크나이저가 든 폴더를 주세요{_inside(local)}."
            )
        file = Path(_from_hub(place, key))
    return file


def find_file(place: str, key: str, name: str) -> Path | None:
    """A file that a checkpoint may have, on this machine; None if it has none, or it was never fetched and cannot be.

    Args:
        place: hub id, folder, or a file of the folder.
        key: the configuration key that named it, for messages.

    Raises:
        UserError: there is no such checkpoint.
    """
    local = Path(place).expanduser()
    if local.exists():
        file = (local if local.is_dir() else local.parent) / name
        return file if file.is_file() else None
    try:
        return Path(hf_hub_download(place, name))
    except EntryNotFoundError:
        return None
    except (OSError, ValueError):
        return Path(_from_hub(place, key, name))  # says what is wrong


def check_checkpoint(config: FamilyConfig, auto: str, only: str | None = None, *, trusted: bool = False) -> None:
    """Refuse a checkpoint of another kind by its config alone, before its tokenizer and its weights are looked at.

    Args:
        config: of the model; one from scratch has no checkpoint.
        auto, only, trusted: as of `load_network`.

    Raises:
        UserError: nothing there, no network, or another architecture.
    """
    if config.from_scratch or config.pretrained is None or trusted:
        return
    key = "model.pretrained"
    _check_architecture(_config_file(config.pretrained, key), config.pretrained, key, auto, only)


def load_network(
    place: str,
    key: str,
    auto: str,
    head: Mapping[str, Any] | None = None,
    only: str | None = None,
    *,
    trusted: bool = False,
    quantisation: Any | None = None,
) -> PreTrainedModel:
    """Read a network's weights in float32, from a folder or the hub.

    Args:
        place: hub id or folder.
        key: the configuration key that named it, for messages.
        auto: the class of `transformers` that reads it, such as `AutoModelForCausalLM`.
        head: values of the config for a new head on a pretrained body; such a head's weights may be missing. None for
            a checkpoint that has all of them.
        only: the one `model_type` among those that the class reads; None for all of them.
        trusted: run the code that the checkpoint brings.
        quantisation: of `transformers`, for weights of fewer bits.

    Raises:
        UserError: nothing there, no network, or another architecture; the last before weights load.
    """
    file = _config_file(place, key)
    local = Path(place).expanduser()
    place = str(local) if local.is_dir() else place
    if not trusted:
        _check_architecture(file, place, key, auto, only)
    options: dict[str, Any] = {} if head is None else {**head, "ignore_mismatched_sizes": True}
    if quantisation is not None:
        options["quantization_config"] = quantisation
    try:
        model, info = getattr(transformers, auto).from_pretrained(
            place, dtype=torch.float32, output_loading_info=True, trust_remote_code=trusted, **options
        )
    except Exception as error:  # corrupt files surface as many types, all of them the folder's fault
        raise UserError(f"{key}={place}: 모델을 읽을 수 없습니다({_first_sentence(error)}).") from None
    absent = {*info["missing_keys"], *(name for name, *_ in info["mismatched_keys"])}
    if missing := sorted(absent if head is None else filter(partial(_in_body, model), absent)):
        raise UserError(
            f"{key}={place}: 가중치 파일에 {missing[0]} 등 {len(missing)}개가 없습니다. "
            f"{KINDS[auto]}의 온전한 체크포인트를 주세요."
        )
    network: PreTrainedModel = model
    return network


def check_fills_gaps(place: str, key: str) -> None:
    """Refuse, by its config alone, a checkpoint that is no masked language model or has lost the head of one.

    Raises:
        UserError: nothing there, no network, or another kind of it.
    """
    file = _config_file(place, key)
    _check_architecture(file, place, key, "AutoModelForMaskedLM", None)
    saved = _read_config(file, place, key).get("architectures") or ()
    heads = {model.__name__ for model in transformers.AutoModelForMaskedLM._model_mapping.values()}
    both = [f"{name.removesuffix('ForMaskedLM')}ForPreTraining" for name in heads]  # BERT's has the head as well
    if saved and not {*heads, *both}.difference(NO_GENERATOR) & set(saved):
        raise UserError(
            f"{key}={place}: {saved[0]}(으)로 저장되어 빈칸을 채우는 층이 없습니다. "
            f"{KINDS['AutoModelForMaskedLM']}의 체크포인트를 주세요."
        )


def checkpoint_labels(place: str, key: str) -> tuple[str, ...]:
    """The labels that a classifier's config names, in the order of its outputs; none where it has no names of its own.

    Raises:
        UserError: nothing there, or no network.
    """
    names = _read_config(_config_file(place, key), place, key).get("id2label")
    if not isinstance(names, dict) or all(_UNNAMED.fullmatch(str(name)) for name in names.values()):
        return ()
    if not all(str(index).isdecimal() for index in names):
        raise UserError(
            f"{key}={place}: config.json의 id2label이 번호와 이름의 짝이 아닙니다. 체크포인트를 다시 받아 주세요."
        )
    return tuple(str(names[index]) for index in sorted(names, key=int))


def check_vocabulary(model: PreTrainedModel, ids: int, where: str) -> None:
    """Refuse a tokenizer whose ids the model has no embedding for.

    Args:
        ids: the tokenizer's highest id, plus one.

    Raises:
        UserError: the vocabularies do not fit.
    """
    rows = model.get_input_embeddings().num_embeddings
    if ids > rows:
        raise UserError(
            f"{where}: 모델의 어휘는 {rows}개인데 토크나이저는 {ids}개를 씁니다. 같은 체크포인트의 토크나이저를 주세요."
        )


def _in_body(model: PreTrainedModel, name: str) -> bool:
    """Whether a weight belongs to what pre-training makes; the pooler of BERT is made for one task of it alone."""
    return name.startswith(f"{model.base_model_prefix}.") and ".pooler." not in name


def _config_file(place: str, key: str) -> Path:
    local = Path(place).expanduser()
    if not local.is_dir():
        return Path(_from_hub(place, key, "config.json"))
    if not (local / "config.json").is_file():
        raise UserError(f"{key}={place}: 폴더에 config.json이 없습니다. 모델이 든 폴더를 주세요{_inside(local)}.")
    return local / "config.json"


def _inside(folder: Path) -> str:
    """Where the model of a run folder is, for people."""
    return (
        f"(이 실행의 모델은 {folder / 'bundle'} 에 있습니다)" if (folder / "bundle" / "config.json").is_file() else ""
    )


def _read_config(file: Path, place: str, key: str) -> dict[str, Any]:
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(config, dict):
            raise TypeError("not an object")
        return config
    except (ValueError, TypeError, OSError):
        raise UserError(f"{key}={place}: config.json이 손상되었습니다. 체크포인트를 다시 받아 주세요.") from None


def _check_architecture(file: Path, place: str, key: str, auto: str, only: str | None) -> None:
    config = _read_config(file, place, key)
    kind = config.get("model_type")
    known = {only} if only else _kinds(auto)
    for name in ("attn_implementation", "_attn_implementation"):
        if "/" in str(config.get(name)):  # a kernel of somebody's, which `transformers` would fetch and run
            raise UserError(f"{key}={place}: config.json의 {name}이(가) 허브의 코드를 부릅니다. 그 줄을 지워 주세요.")
    if kind not in known and "auto_map" in config:
        raise UserError(
            f"{key}={place}: {kind}은(는) 체크포인트가 가져온 코드로만 열리는 모델입니다. 그 코드를 믿는다면 model=causal_lm에 "
            f"model.trust_remote_code={place} 를 주세요."
        )
    if kind not in known or _reads_otherwise(kind, auto, is_decoder=bool(config.get("is_decoder"))):
        raise UserError(
            f"{key}={place}: {kind}은(는) {KINDS[auto]}이 아닙니다. 다른 체크포인트나 다른 model=…을 고르세요."
        )


def _reads_otherwise(kind: str, auto: str, *, is_decoder: bool) -> bool:
    """Whether `transformers` builds it all the same: an encoder that would see the reply it is to write, a classifier of
    an encoder-decoder, which reads a sentence by its end token, or one of a model that reads to the right only."""
    if auto == "AutoModelForSeq2SeqLM":
        return False
    fills_gaps = kind in _kinds("AutoModelForMaskedLM")
    both_ways = auto == "AutoModelForCausalLM" and fills_gaps and not is_decoder
    one_way = auto == "AutoModelForSequenceClassification" and kind in _kinds("AutoModelForCausalLM") and not fills_gaps
    return both_ways or one_way or kind in _kinds("AutoModelForSeq2SeqLM")


def _kinds(auto: str) -> set[str]:
    return {config.model_type for config in getattr(transformers, auto)._model_mapping}


def _from_hub(place: str, key: str, name: str = "tokenizer.json") -> str:
    if not _HUB_ID.fullmatch(place):
        raise UserError(f"{key}={place}: 그런 폴더가 없습니다. 경로를 확인해 주세요.")
    try:
        return hf_hub_download(place, name)
    except LocalEntryNotFoundError:
        raise UserError(
            f"{key}={place}: 허브에 닿을 수 없고 받아 둔 것도 없습니다. 네트워크를 확인하거나 내려받은 폴더를 {key}에 주세요."
        ) from None
    except EntryNotFoundError:
        raise UserError(f"{key}={place}: 허브의 이 모델에는 {name}이(가) 없습니다. 다른 모델을 골라 주세요.") from None
    except (RepositoryNotFoundError, HFValidationError):
        raise UserError(
            f"{key}={place}: 그런 폴더도, 허브에 그런 모델도 없습니다(비공개라면 HF_TOKEN이 필요합니다). 이름을 확인해 주세요."
        ) from None
    except OSError as error:
        raise UserError(f"{key}={place}: 허브에서 받지 못했습니다({_first_sentence(error)}).") from None


def _first_sentence(error: Any) -> str:
    return str(error).strip().split("\n")[0][:200]
