"""Time and memory of the data side: from a file to batches, without a model.

    python benchmarks/data_side.py dialogues 1000000   # synthetic single-turn dialogues: read, split, encode, an epoch
    python benchmarks/data_side.py songys              # songys: read, split, encode, an epoch; median of five
    python benchmarks/data_side.py warm                # `python train.py` to its first step, the cache present

Each runs in a process and a cache of its own. Memory is the peak of resident memory above what the imports took, mapped
files included (Linux). songys must be in `$YUHEE_DATA_DIR`.
"""

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = 5
TOKENIZER = Path(os.environ.get("YUHEE_DATA_DIR", "")) / "kogpt2_v1_tokenizer"
# Trains one step as `train.py` does and tells when it was done.
FIRST_STEP = """
import runpy, sys, time
sys.argv[0] = "train.py"
started = float(sys.argv.pop(1))
import pytorch_lightning as pl
def told(self, trainer, *_):
    print(f"first step {time.time() - started:.2f}", flush=True)
    sys.exit(0)
from yuhee.training import progress
progress.StepFigures.on_train_batch_end = told
runpy.run_path("train.py", run_name="__main__")
"""


def synthetic(file: Path, count: int) -> None:
    """Write `count` single-turn dialogues in `yuhee/1`, all different, some of them with a question in common."""
    words = list("가나다라마바사아자차카타파하거너더러머버")
    with file.open("w", encoding="utf-8") as out:
        for n in range(count):
            said = " ".join(3 * words[n * step % 20] for step in (1, 3, 7))
            question = {"role": "user", "content": f"{said} {n // 3 * 2} 어때?", "emotion": str(n % 3)}
            answer = {"role": "assistant", "content": f"{said} {n}번째로 좋았어. 그 얘기 더 해 줘"}
            record = {"format": "yuhee/1", "id": f"s:{n}", "messages": [question, answer]}
            out.write(json.dumps(record, ensure_ascii=False) + "\n")


def memory(key: str) -> float:
    """A figure of this process's memory in MB."""
    found = re.search(rf"{key}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def stages(*overrides: str) -> dict[str, float]:
    """Seconds of each stage (on the clock and of CPU), growth of the peak of memory up to its end in MB, examples/s."""
    import torch

    from yuhee.data.datamodule import DialogueDataModule
    from yuhee.data.splits import split
    from yuhee.models.causal_lm import CausalLM
    from yuhee.training import compose_config, parse_config

    torch.set_num_threads(1)
    config = parse_config(compose_config([f"model.tokenizer={TOKENIZER}", *overrides]))
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts here
    before = memory("VmRSS")
    figures: dict[str, float] = {}
    clocks = [time.perf_counter(), time.process_time()]

    def mark(stage: str) -> None:
        now = [time.perf_counter(), time.process_time()]
        figures[stage], figures[f"{stage}, CPU"] = (end - start for start, end in zip(clocks, now, strict=True))
        figures[f"{stage}, MB"] = memory("VmHWM") - before
        clocks[:] = now

    corpus = config.data.read()
    mark("read")
    parts = split(corpus.dialogues, **dict(config.data.split))
    mark("split")
    encoder = CausalLM.make_encoder(config.model, config.data, parts)
    mark("tokenizer")
    with tempfile.TemporaryDirectory() as cache:
        data = DialogueDataModule(
            parts, encoder, cache=Path(cache), cache_key=corpus.hash, batch_size=32, emotion_dropout=0.5
        )
        data.setup()
        mark("encode")
        count = sum(len(batch["ids"]) for batch in data.train_dataloader())
        mark("epoch")
        parts.overlap()
        mark("overlap")
    for clock in ("", ", CPU"):
        figures[f"file to cache{clock}"] = sum(figures[stage + clock] for stage in ("read", "split", "encode"))
    return {**figures, "examples/s": count / figures["epoch"]}


def alone(*arguments: str) -> dict[str, float]:
    """Run one measurement in a process of its own, with a cache of its own."""
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "YUHEE_CACHE_DIR": cache}
        command = [sys.executable, __file__, "--stages", *arguments]
        out = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    return json.loads(out.splitlines()[-1])


def first_step(cache: str, folder: str) -> float:
    """Seconds from the start of `python train.py data=songys trainer.max_steps=1` to the end of its step."""
    command = [sys.executable, "-c", FIRST_STEP, str(time.time()), "data=songys", "trainer.max_steps=1"]
    environment = {**os.environ, "YUHEE_CACHE_DIR": cache}
    out = subprocess.run(
        [*command, f"hydra.run.dir={folder}"], env=environment, capture_output=True, text=True, check=False
    )
    found = re.search(r"first step ([\d.]+)", out.stdout)
    if found is None:
        sys.exit(out.stdout + out.stderr)
    return float(found[1])


def main() -> None:
    what, *rest = sys.argv[1:]
    if what == "--stages":
        print(json.dumps(stages(*rest)))
        return
    if what == "dialogues":
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "synthetic.jsonl"
            synthetic(file, int(rest[0]))
            figures = alone("data=chat_jsonl", f"data.path={file}", "data.privacy=public")
    elif what == "songys":
        rounds = [alone("data=songys") for _ in range(ROUNDS)]
        figures = {key: statistics.median(each[key] for each in rounds) for key in rounds[0]}
    else:
        with tempfile.TemporaryDirectory() as folder:
            seconds = [first_step(f"{folder}/cache", f"{folder}/{n}") for n in range(ROUNDS + 1)]
        figures = {"cold": seconds[0], "warm": statistics.median(seconds[1:])}
    for key, value in figures.items():
        print(f"{key:22} {value:10.2f}")


if __name__ == "__main__":
    main()
