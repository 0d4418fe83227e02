"""A network as a CTranslate2 model, kept beside the bundle so that it is converted once."""

import copy
import hashlib
import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal

import ctranslate2
import torch
from ctranslate2.converters.transformers import GPT2Loader, GPTNeoXLoader
from ctranslate2.specs import TransformerDecoderModelSpec
from ctranslate2.specs.common_spec import Activation
from filelock import FileLock
from transformers import GPT2LMHeadModel, GPTNeoXForCausalLM, PreTrainedModel

from yuhee import bundle
from yuhee.chat.engine import forbidden_tokens

Quantisation = Literal["int8", "float32"]
LAYOUT = "1"  # of what is written here; a new number makes old conversions stale
_ACTIVATIONS = {
    "gelu": Activation.GELU,
    "gelu_new": Activation.GELUTanh,
    "gelu_pytorch_tanh": Activation.GELUTanh,
    "relu": Activation.RELU,
    "silu": Activation.SWISH,
}


class UnsupportedNetworkError(Exception):
    """CTranslate2, or this converter, cannot express the network."""


def generator(model: bundle.Model, folder: Path | None, quantisation: Quantisation = "int8") -> ctranslate2.Generator:
    """The model in CTranslate2, on as many threads as PyTorch uses.

    Tokens are called by their ids ("0", "1", …), so that nothing depends on how they are spelt, and rows that pad the
    vocabulary need no names. Ids that may never be said have a bias of −∞.

    The conversion is kept in `<folder>/ctranslate2/<quantisation>-<hash>/`. It is written whole or not at all, by
    one process at a time, and replaces those of other weights. Where the folder cannot be written, and without one,
    the conversion lives in a private temporary folder until it is loaded: a personal model leaves nothing elsewhere.

    Args:
        folder: the model's bundle; None for a checkpoint.

    Raises:
        UnsupportedNetworkError: of another family, or with options that CTranslate2 does not know.
        OSError: there is no room for the conversion.
    """
    supported_specification(model.network)
    if folder is not None:
        place = folder / "ctranslate2" / f"{quantisation}-{_digest(folder)}"
        try:
            return _opened(place)
        except (RuntimeError, ValueError):  # not there, or damaged
            pass
        try:
            _keep(model, place, quantisation)
            return _opened(place)
        except (OSError, RuntimeError):  # it cannot be kept here: converted anew each time
            pass
    with tempfile.TemporaryDirectory(prefix="yuhee-") as name:
        _write(model, Path(name), quantisation)
        return _opened(Path(name))


def _opened(place: Path) -> ctranslate2.Generator:
    return ctranslate2.Generator(str(place), device="cpu", intra_threads=torch.get_num_threads())


def _digest(folder: Path) -> str:
    """Of everything a conversion depends on."""
    digest = hashlib.sha256(f"{LAYOUT} {ctranslate2.__version__}".encode())
    for name in ("model.safetensors", "config.json", "tokenizer.json"):
        with (folder / name).open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]


def _keep(model: bundle.Model, place: Path, quantisation: Quantisation) -> None:
    home = place.parent
    home.mkdir(exist_ok=True)
    with FileLock(home / ".lock"):
        if (place / "model.bin").is_file() and _opens(place):  # another process was faster
            return
        for stale in (*home.glob(f"{quantisation}-*"), *home.glob(".building-*")):
            shutil.rmtree(stale)
        with tempfile.TemporaryDirectory(dir=home, prefix=".building-") as name:
            building = Path(name) / "model"
            building.mkdir()
            _write(model, building, quantisation)
            building.rename(place)


def _opens(place: Path) -> bool:
    try:
        _opened(place)
    except (RuntimeError, ValueError):
        return False
    return True


def _write(model: bundle.Model, folder: Path, quantisation: Quantisation) -> None:
    # a copy: quantisation multiplies the very memory of the weights that it is given
    network, end = copy.deepcopy(model.network), str(model.encoder.end_id)
    rows = network.get_output_embeddings().weight.shape[0]
    with torch.no_grad():
        spec = supported_specification(network)()
        spec.decoder.projection.bias = torch.zeros(rows).masked_fill(
            forbidden_tokens(rows, model.encoder)[0], -torch.inf
        )
    spec.register_vocabulary([str(token) for token in range(rows)])
    spec.config.bos_token = spec.config.eos_token = spec.config.unk_token = end  # no other token has a meaning to it
    spec.validate()
    spec.optimize(quantisation)
    spec.save(str(folder))


def supported_specification(network: PreTrainedModel) -> Callable[[], Any]:
    """What makes the network's specification.

    Raises:
        UnsupportedNetworkError: there is no such thing.
    """
    config = network.config
    if isinstance(network, GPT2LMHeadModel):
        plain = config.scale_attn_weights and not (config.scale_attn_by_inverse_layer_idx or config.add_cross_attention)
        if plain and config.activation_function in _ACTIVATIONS:
            return partial(_gpt2, network)
    if isinstance(network, GPTNeoXForCausalLM):
        plain = config.attention_bias and config.rope_parameters["rope_type"] == "default"
        if plain and config.hidden_act in _ACTIVATIONS:
            return partial(_gpt_neox, network)
    raise UnsupportedNetworkError(config.model_type)


def _gpt2(network: GPT2LMHeadModel) -> Any:
    spec = GPT2Loader().get_model_spec(network)
    spec.config.layer_norm_epsilon = network.config.layer_norm_epsilon
    return spec


def _gpt_neox(network: GPTNeoXForCausalLM) -> Any:
    """CTranslate2's own reader of this family asks for names that transformers 5 has changed."""
    config, loader = network.config, GPTNeoXLoader()
    rope = config.rope_parameters
    head = config.hidden_size // config.num_attention_heads
    spec = TransformerDecoderModelSpec.from_config(
        config.num_hidden_layers,
        config.num_attention_heads,
        pre_norm=True,
        activation=_ACTIVATIONS[config.hidden_act],
        rotary_dim=int(head * rope.get("partial_rotary_factor", 1.0)),
        rotary_interleave=False,
        rotary_base=rope["rope_theta"],
        parallel_residual=config.use_parallel_residual,
    )
    spec.config.layer_norm_epsilon = config.layer_norm_eps
    loader.set_decoder(spec.decoder, network.gpt_neox, config.num_attention_heads)
    loader.set_linear(spec.decoder.projection, network.lm_head)
    return spec
