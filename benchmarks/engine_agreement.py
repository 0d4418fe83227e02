"""How often each engine says greedily what PyTorch says with the weights as they are.

    python benchmarks/engine_agreement.py RUN [--messages 200]

Each engine answers the same messages, the first ones of the embedded corpus. `tokens` is the share of tokens up to
the first that differs: from there on two replies have little to do with each other.
"""

import argparse
import json
from importlib.resources import files

from transformers.utils import logging as transformers_logging

from yuhee import bundle
from yuhee.chat import conversion
from yuhee.chat.ctranslate import CTranslateEngine
from yuhee.chat.engine import Decoding, Engine, ReplyEngine
from yuhee.chat.selection import make_engine
from yuhee.data.dialogue import Turn


def messages(count: int) -> list[str]:
    lines = (files("yuhee.data.corpora") / "sample.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["messages"][0]["content"] for line in lines[:count]]


def shared(first: list[int], second: list[int]) -> int:
    """Tokens that two replies have in common before they part."""
    pairs = list(zip(first, second, strict=False))
    return next((place for place, (one, other) in enumerate(pairs) if one != other), len(pairs))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run", help="a run folder or a bundle")
    parser.add_argument("--messages", type=int, default=200)
    options = parser.parse_args()
    transformers_logging.set_verbosity_error()
    model = bundle.load(options.run)
    reference = Engine(model.network, model.encoder)
    full = conversion.generator(model, None, "float32")
    engines: dict[str, ReplyEngine] = {
        "int8": make_engine(model, "int8"),
        "ctranslate2": make_engine(model, "ctranslate2"),
        "ctranslate2, float32": CTranslateEngine(full, reference, model.encoder.newline_id),
    }
    prompts = [model.encoder.prompt([Turn("user", text)]) for text in messages(options.messages)]
    decoding = Decoding(greedy=True)
    expected = [list(reference.stream(prompt, decoding)) for prompt in prompts]
    print(f"{len(prompts)} messages, {len(set(map(tuple, expected)))} different replies of PyTorch")
    for name, engine in engines.items():
        said = [list(engine.stream(prompt, decoding)) for prompt in prompts]
        same = sum(one == other for one, other in zip(said, expected, strict=True)) / len(said)
        tokens = sum(map(shared, said, expected)) / sum(map(len, expected))
        print(f"{name:22} same replies {same:6.1%}   tokens {tokens:6.1%}")


if __name__ == "__main__":
    main()
