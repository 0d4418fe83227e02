"""How much each side does: `FULL` for the figures, `QUICK` to see that every side runs."""

from dataclasses import dataclass

KOGPT2 = ("model=kogpt2", "model.from_scratch=true")
QUICK_NETWORK = ("n_layer=1", "n_head=2", "n_embd=16", "n_positions=512")
QUICK_TINY = ("num_hidden_layers=1", "num_attention_heads=2", "hidden_size=16", "intermediate_size=32")


@dataclass(frozen=True)
class Scale:
    """Settings of one call of the benchmark.

    Attributes:
        corpus: name of a config of `conf/data`, and of the corpus that sentences are taken from.
        tokenizer: folder under `$YUHEE_DATA_DIR`; None trains a small one.
        network: overrides that make the 125 M network, or a toy in its place.
        tiny: overrides on top of `model=tiny`.
        batch_size: of the training comparison, in examples.
        steps: side → (optimizer steps left out, optimizer steps timed).
        replies: timed replies per process.
        new_tokens: of a reply.
        prompt_tokens: of the prompt whose first token is waited for.
        turn_rows, turn_steps: of the multi-turn comparison with `tiny` and `kogpt2`: expanded examples per optimizer
            step, and timed optimizer steps per point.
        turns: exchanges of a dialogue, for the multi-turn comparison.
        grid: batch sizes, lengths (tokens) and turns for the scaling of the tiny model.
        points: (batch, length) for the scaling of the 125 M model.
        dialogues: of the synthetic corpus.
        matrix: side of the square matrices whose product gives the peak.
    """

    corpus: str
    tokenizer: str | None
    network: tuple[str, ...]
    tiny: tuple[str, ...]
    batch_size: int
    steps: dict[str, tuple[int, int]]
    replies: int
    new_tokens: int
    prompt_tokens: int
    turn_rows: dict[str, int]
    turn_steps: dict[str, int]
    turns: tuple[int, ...]
    grid: dict[str, tuple[int, ...]]
    points: tuple[tuple[int, int], ...]
    dialogues: int
    matrix: int


FULL = Scale(
    corpus="songys",
    tokenizer="kogpt2_v1_tokenizer",
    network=KOGPT2,
    tiny=(),
    batch_size=32,
    steps={"ours": (5, 15), "original": (1, 2), "trl": (2, 5), "trl_packed": (2, 5), "transformers": (2, 4)},
    replies=4,
    new_tokens=32,
    prompt_tokens=32,
    turn_rows={"tiny": 32, "kogpt2": 16},
    turn_steps={"tiny": 4, "kogpt2": 1},
    turns=(1, 2, 4, 8, 16),
    grid={"batch": (8, 16, 32, 64, 128), "length": (16, 32, 64, 128, 256, 512), "turns": (2, 4, 8, 16)},
    points=((8, 16), (32, 16), (8, 128), (128, 16), (32, 64), (4, 512)),
    dialogues=1_000_000,
    matrix=4096,
)
QUICK = Scale(
    corpus="sample",
    tokenizer=None,
    network=(*KOGPT2, *(f"model.network.{value}" for value in QUICK_NETWORK)),
    tiny=tuple(f"model.network.{value}" for value in QUICK_TINY),
    batch_size=8,
    steps=dict.fromkeys(("ours", "original", "trl", "trl_packed", "transformers"), (1, 2)),
    replies=1,
    new_tokens=4,
    prompt_tokens=16,
    turn_rows={"tiny": 2, "kogpt2": 2},
    turn_steps={"tiny": 1, "kogpt2": 1},
    turns=(1, 2),
    grid={"batch": (2, 4), "length": (16, 32), "turns": (2,)},
    points=((2, 16), (2, 32)),
    dialogues=500,
    matrix=256,
)
