"""The original recipe on another run's corpus, architecture and wall time, scored as that run was.

python -m benchmarks.original_run outputs/<run> <folder> --seed 1
"""

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path

from omegaconf import OmegaConf

from benchmarks.training.original import train_original
from yuhee.bundle import Model
from yuhee.data.dialogue import Dialogue
from yuhee.data.encoding.causal_lm import CausalLMEncoder
from yuhee.evaluation.likelihood import score_replies
from yuhee.evaluation.run_data import open_run
from yuhee.paths import write_private


def bits_per_character(model: Model, dialogues: Sequence[Dialogue]) -> float:
    """Of all replies of the dialogues, lost characters charged, each end counted as one character."""
    bits = sum(score.bits for scores in score_replies(model, dialogues) for score in scores.values())
    return bits / sum(len(reply) + 1 for dialogue in dialogues for reply in dialogue.replies)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    run = open_run(arguments.run)
    figures = json.loads((arguments.run / "metrics.json").read_text(encoding="utf-8"))
    epochs = OmegaConf.create(run.config).trainer.max_epochs  # a reference to another key, as a rule
    seconds = figures["data/train_dialogues"] * epochs / figures["train/examples_per_second"]
    tokenizer = run.companion.model.encoder.tokenizer
    start = time.monotonic()
    network = train_original(
        run.split.train, tokenizer, run.companion.model.network.config, seconds=seconds, seed=arguments.seed
    )
    trained = time.monotonic() - start
    # the recipe leaves the slot empty; its replies are scored with their punctuation, which it never saw
    encoder = CausalLMEncoder(tokenizer, max_length=run.companion.model.encoder.max_length, emotion="none")
    model = Model(network, encoder, {})
    scores = {f"{part}/bpc": bits_per_character(model, getattr(run.split, part)) for part in ("val", "test")}
    arguments.folder.mkdir(parents=True, exist_ok=True)
    write_private(arguments.folder / "metrics.json", json.dumps({**scores, "seconds": round(trained, 1)}) + "\n")


if __name__ == "__main__":
    main()
