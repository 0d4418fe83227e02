"""A large synthetic corpus through reader, privacy gate, split, encoder and cache, and once through the loader."""

import json
import random
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.corpus.encode import encoder_of
from benchmarks.side import peak_mb
from yuhee.data.datamodule import DialogueDataModule
from yuhee.data.splits import split
from yuhee.training import compose_config, parse_config

SUBJECTS = "오늘 내일 어제 아침에 저녁에 친구랑 엄마가 동생이 학교에서 회사에서 주말에 밤에 버스에서 집에서"
OBJECTS = "영화를 음악을 커피를 라면을 바다를 고양이를 강아지를 노래를 사진을 시험을 여행을 산책을 책을 꿈을"
ADVERBS = "정말 너무 조금 자꾸 가끔 다시 혼자 같이 갑자기 오랜만에 드디어 괜히 일찍 늦게"
VERBS = "좋아해 그리워해 생각했어 기다렸어 이야기했어 잊어버렸어 찾았어 시작했어 끝냈어 즐겼어 걱정했어"


def run(spec: dict[str, Any]) -> dict[str, Any]:
    """Growth of this process's memory over the whole way, in MB, and seconds."""
    before = resident_mb()
    with tempfile.TemporaryDirectory(dir=spec["work"]) as name:
        folder = Path(name)
        write(folder / "corpus.jsonl", spec["dialogues"])
        start = time.perf_counter()
        overrides = ["data=chat_jsonl", f"data.path={folder / 'corpus.jsonl'}", "data.batch_size=32"]
        config = parse_config(compose_config(overrides))
        corpus = config.data.read()
        data = DialogueDataModule(
            split(corpus.dialogues, **dict(config.data.split)),
            encoder_of(spec["work"], 64),
            cache=folder / "cache",
            cache_key=corpus.hash,
            batch_size=config.data.batch_size,
        )
        data.setup()
        examples = sum(len(batch["ids"]) for batch in data.train_dataloader())
        seconds = time.perf_counter() - start
    return {"growth_mb": peak_mb() - before, "seconds": seconds, "train_examples": examples}


def write(path: Path, dialogues: int) -> None:
    """A `yuhee/1` file of two-turn dialogues, nearly all of them different."""
    draw = random.Random(0)
    with path.open("w", encoding="utf-8") as file:
        for number in range(dialogues):
            messages = [{"role": role, "content": sentence(draw)} for role in ("user", "assistant")]
            line = {"format": "yuhee/1", "id": f"made:{number}", "messages": messages}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")


def sentence(draw: random.Random) -> str:
    """Eight words of everyday talk."""
    return " ".join(draw.choice(words.split()) for words in 2 * (SUBJECTS, OBJECTS, ADVERBS, VERBS))


def resident_mb() -> float:
    """Resident set of this process now; where the system does not tell, its largest so far."""
    status = Path("/proc/self/statm")
    if not status.is_file():
        return peak_mb()
    import resource

    return int(status.read_text().split()[1]) * resource.getpagesize() / 1e6
