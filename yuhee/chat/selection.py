"""Which engine answers: the figures behind these rules are in docs/speed_of_replies.md."""

import importlib.util
import logging
from pathlib import Path
from typing import Literal, cast, get_args

from transformers import PreTrainedModel

from yuhee import bundle
from yuhee.chat.engine import Engine, ReplyEngine
from yuhee.chat.quantised import int8_is_possible, int8_weights
from yuhee.chat.seq2seq_engine import Seq2SeqEngine
from yuhee.data.encoding.encoder import ReplyEncoder
from yuhee.errors import UserError

log = logging.getLogger(__name__)
EngineName = Literal["auto", "torch", "int8", "ctranslate2"]
SMALL = 20_000_000  # parameters, below which a token takes a few milliseconds with any engine


def engine_named(name: str) -> EngineName:
    """The name, if it is an engine's.

    Raises:
        UserError: with the names there are.
    """
    if name not in get_args(EngineName):
        raise UserError(f"engine={name}: 모르는 엔진입니다(있는 것: {', '.join(get_args(EngineName))}).")
    return cast("EngineName", name)


def torch_engine(network: PreTrainedModel, encoder: ReplyEncoder) -> ReplyEngine:
    """PyTorch's engine for a network, whatever its architecture."""
    return Seq2SeqEngine(network, encoder) if network.config.is_encoder_decoder else Engine(network, encoder)


def make_engine(model: bundle.Model, name: EngineName = "auto", folder: Path | None = None) -> ReplyEngine:
    """The engine of that name, or PyTorch's with a note why.

    `auto` is the fastest that is right for the machine: on a CPU, int8 weights for a large network, or CTranslate2
    where PyTorch lacks the kernel; PyTorch with the weights as they are for a small network, and on a GPU.

    Args:
        folder: the model's bundle, where CTranslate2's conversion is kept.
    """
    network = model.network
    large_on_cpu = network.device.type == "cpu" and network.num_parameters() >= SMALL
    if name == "int8" or (name == "auto" and large_on_cpu):
        if int8_is_possible(network):
            return torch_engine(int8_weights(network), model.encoder)
        if name == "int8":
            log.warning("이 PyTorch에는 int8 커널이 없거나 모델이 GPU에 있어, 가중치를 그대로 쓰는 PyTorch로 답합니다.")
    engine = torch_engine(network, model.encoder)
    if name == "ctranslate2" or (name == "auto" and large_on_cpu):
        return _ctranslate(model, engine, folder) or engine
    return engine


def _ctranslate(model: bundle.Model, engine: ReplyEngine, folder: Path | None) -> ReplyEngine | None:
    if importlib.util.find_spec("ctranslate2") is None:
        log.warning('CTranslate2가 없어 PyTorch로 답합니다. 설치: pip install "yuhee[fast]"')
        return None
    from yuhee.chat import conversion
    from yuhee.chat.ctranslate import CTranslateEngine

    try:
        generator = conversion.generator(model, folder)
    except conversion.UnsupportedNetworkError as error:
        log.warning("CTranslate2로 옮길 수 없는 모델(%s)이라 PyTorch로 답합니다.", error)
        return None
    except OSError as error:
        log.warning("CTranslate2로 옮겨 둘 자리가 없어(%s) PyTorch로 답합니다.", error.strerror)
        return None
    return CTranslateEngine(generator, engine, model.encoder.end_id, model.encoder.newline_id)
