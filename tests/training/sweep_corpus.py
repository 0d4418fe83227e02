"""A corpus and a network so small that a run is a matter of starting it."""

from pathlib import Path

SMALL = (
    "data.privacy=public",
    "data=songys",
    "data.path=corpus.csv",
    "data.batch_size=4",
    "model.vocab_size=400",
    "model.network.num_hidden_layers=1",
    "model.network.hidden_size=32",
    "model.network.num_attention_heads=2",
    "trainer.log_every_n_steps=1",
)
STEPS_PER_EPOCH = 12


def write_corpus(folder: Path) -> None:
    rows = "".join(
        f"질문 {n}번 {'가나다라마바사'[n % 7] * (n % 5 + 1)},대답 {n * 7}번이야,{n % 3}\n" for n in range(60)
    )
    (folder / "corpus.csv").write_text("Q,A,label\n" + rows, encoding="utf-8")
