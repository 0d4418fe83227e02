"""A small corpus whose labels hang on words, and settings that learn it in seconds."""

import json
from pathlib import Path

FEELINGS = {
    "0": ("오늘 날씨 어때", "점심 뭐 먹지", "내일 몇 시에 만나", "버스가 늦게 왔어"),
    "1": ("너무 슬퍼서 울었어", "헤어져서 마음이 아파", "외로워서 눈물이 나", "슬퍼서 아무것도 못 해"),
    "2": ("고백을 받아서 기뻐", "사랑해서 행복해", "설레서 잠이 안 와", "기뻐서 춤을 췄어"),
}
SMALL = (
    "model.from_scratch=true",
    "model.vocab_size=400",
    "model.network.hidden_size=32",
    "model.network.intermediate_size=64",
    "model.network.num_attention_heads=2",
    "model.network.num_hidden_layers=1",
)


def write_corpus(path: Path, labels: bool = True) -> Path:
    """120 dialogues as a chat file."""
    lines = []
    for number in range(10):
        for label, texts in FEELINGS.items():
            for text in texts:
                user = {"role": "user", "content": f"{text} {number}번째야"}
                messages = [user | ({"emotion": label} if labels else {})]
                messages.append({"role": "assistant", "content": f"{label} {text} {number} 그렇구나"})
                lines.append(json.dumps({"messages": messages}, ensure_ascii=False))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
