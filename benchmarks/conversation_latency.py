"""Every engine over the turns of a conversation: time to the first token of each reply, tokens a second, time to load.

    python benchmarks/conversation_latency.py [BUNDLE] [--turns 12] [--tokens 16]

Without BUNDLE, a 125 M KoGPT2-shaped network with random weights and the tokenizer in
`$YUHEE_DATA_DIR/kogpt2_v1_tokenizer`. CTranslate2 is made twice: converted, and from what was kept of that.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

import torch
from transformers import GPT2Config, GPT2LMHeadModel
from transformers.utils import logging as transformers_logging

from yuhee import bundle
from yuhee.chat.engine import Decoding, ReplyEngine
from yuhee.chat.selection import EngineName, make_engine
from yuhee.chat.session import Memory, Session
from yuhee.data.dialogue import Turn
from yuhee.data.encoding.causal_lm import CausalLMEncoder
from yuhee.data.encoding.tokenizer import parse_tokenizer

MESSAGES = (
    "오늘 회사에서 너무 힘들었어",
    "팀장님이 사람들 앞에서 나한테 화를 냈거든",
    "내가 잘못한 것도 아닌데 정말 속상하더라",
    "점심도 혼자 먹었어. 밥이 잘 안 넘어가더라고",
    "퇴근하고 나서는 친구한테 전화했는데 바쁘대",
    "그래서 그냥 집에 와서 누워 있었어",
    "내일은 또 어떻게 출근하지",
    "주말에는 바다라도 보러 갈까 생각 중이야",
    "강릉에 맛있는 커피집이 많다던데 가 봤어?",
    "혼자 가도 괜찮을까? 조금 심심할 것 같기도 해",
    "그래도 너랑 이야기하니까 기분이 나아졌어",
    "고마워. 이제 자야겠다, 잘 자",
)
ENGINES: tuple[EngineName, ...] = ("torch", "int8", "ctranslate2")


class Timed:
    """An engine that notes the length of each prompt and when each token came, in seconds."""

    def __init__(self, engine: ReplyEngine) -> None:
        self.engine, self.max_positions = engine, engine.max_positions
        self.replies: list[tuple[int, list[float]]] = []

    def stream(self, prompt: Sequence[int], decoding: Decoding, seed: int | None = None) -> Iterator[int]:
        times = [time.perf_counter()]
        self.replies.append((len(prompt), times))
        for token in self.engine.stream(prompt, decoding, seed):
            times.append(time.perf_counter())
            yield token


def random_model() -> bundle.Model:
    folder = Path(os.environ["YUHEE_DATA_DIR"]) / "kogpt2_v1_tokenizer"
    tokenizer = parse_tokenizer((folder / "tokenizer.json").read_text(encoding="utf-8"))
    torch.manual_seed(0)
    network = GPT2LMHeadModel(GPT2Config(vocab_size=51_200, bos_token_id=1, eos_token_id=1))
    return bundle.Model(network.eval(), CausalLMEncoder(tokenizer, max_length=1024), {})


def converse(
    engine: ReplyEngine, model: bundle.Model, turns: int, decoding: Decoding
) -> list[tuple[int, float, float]]:
    """(prompt tokens, seconds to the first token, tokens a second after it) of each reply."""
    timed = Timed(engine)
    session = Session(timed, model.encoder, Memory(turns, engine.max_positions))
    for turn in range(turns):
        for _ in session.say(Turn("user", MESSAGES[turn % len(MESSAGES)]), decoding):
            pass
    return [
        (length, times[1] - times[0], (len(times) - 2) / (times[-1] - times[1]) if len(times) > 2 else 0.0)
        for length, times in timed.replies
    ]


def measure(name: EngineName, model: bundle.Model, place: Path | None, turns: int, decoding: Decoding) -> None:
    seconds = []
    for _ in range(2 if name == "ctranslate2" else 1):
        start = time.perf_counter()
        engine = make_engine(model, name, place)
        seconds.append(f"{time.perf_counter() - start:.2f} s")
    for length in (20, 30):  # the first replies of a process are slower: kernels are prepared
        list(engine.stream([300] * length, decoding))
    replies = converse(engine, model, turns, decoding)
    firsts = [1000 * first for _, first, _ in replies]
    rates = [rate for _, _, rate in replies if rate]
    print(f"\n{name}: made in {', then '.join(seconds)}; {median(rates or [0]):.0f} tokens/s (median of the replies)")
    print("  prompt, tokens  " + " ".join(f"{length:5d}" for length, _, _ in replies))
    print("  first token, ms " + " ".join(f"{first:5.0f}" for first in firsts))
    tenth = min(10, len(firsts)) - 1
    print(f"  first token of reply {tenth + 1} over reply 1: {firsts[tenth] / firsts[0]:.2f} ×", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("bundle", nargs="?", help="a run folder or a bundle")
    parser.add_argument("--turns", type=int, default=12)
    parser.add_argument("--tokens", type=int, default=16, help="of each reply, at most")
    options = parser.parse_args()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    model = bundle.load(options.bundle) if options.bundle else random_model()
    decoding = Decoding(greedy=True, max_new_tokens=options.tokens)
    parameters = model.network.num_parameters() / 1e6
    print(f"{parameters:.1f} M parameters, {torch.get_num_threads()} threads, greedy, up to {options.tokens} tokens")
    with tempfile.TemporaryDirectory() as folder:
        place = bundle.bundle_folder(options.bundle) if options.bundle else Path(folder)
        if not options.bundle:  # what CTranslate2's conversion is recognised by
            model.network.save_pretrained(folder)
            model.encoder.tokenizer.save(str(place / "tokenizer.json"))
        for name in ENGINES:
            measure(name, model, place, options.turns, decoding)


if __name__ == "__main__":
    main()
