"""The prompts of the peers: a message in the dialogue format, open for its reply."""

from pathlib import Path

from tokenizers import Tokenizer

from benchmarks import workload


def prompts(work: str, count: int) -> tuple[Tokenizer, list[list[int]]]:
    """The bundle's tokenizer, and the ids of the first prompts."""
    tokenizer = Tokenizer.from_file(str(Path(work) / "bundle" / "tokenizer.json"))
    dialogues = workload.read(work, "dialogues")[:count]
    texts = [f"<usr>{turns[0][1]}<unused1><sys>" for turns in dialogues]
    return tokenizer, [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
