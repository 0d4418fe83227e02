"""The README.md of a bundle."""

from collections.abc import Mapping
from typing import Any

KOGPT2_LICENCE = "cc-by-nc-sa-4.0"
PERSONAL = {
    "public": "no",
    "masked": "names and numbers were replaced before training; what people told each other is still theirs",
    "unmasked": "possible, so do not publish this model",
}

_KOGPT2_TERMS = """
  KoGPT2's weights are CC-BY-NC-SA 4.0 (SK Telecom): non-commercial use only, and whatever is fine-tuned from them
  carries the same licence.
"""
_CARD = """\
---
language: ko
library_name: transformers
pipeline_tag: {task}
license: {terms}
---

# 유희 · {title}

{purpose}

- Started from: {pretrained}
- Data: {corpus} (corpus hash `{corpus_hash}`), split by {split}
- Personal text in the data: {personal}
- Licence of the weights: {terms}
{more_terms}
| figure | value |
|---|---|
{figures}

{use}
{memorised}"""
_PURPOSE = {
    "text-generation": """\
A Korean conversation model trained with yuhee. It talks as 유희지희, an AI friend; it is not a person, not a
counsellor, and it makes mistakes.""",
    "text-classification": """\
A classifier trained with yuhee: it tells from a Korean message what its writer may feel. It goes by words alone, knows
the labels {labels} and no others, and makes mistakes: nothing that matters to a person should hang on it.""",
    "text": """\
A network trained with yuhee on plain Korean text. It has learned no replies and is meant to be trained on.""",
    "fill-mask": """\
A masked language model trained with yuhee on plain Korean text: it guesses hidden words, and is meant to be trained on.""",
}
_USE = {
    "text-generation": """\
Bits per character (`bpc`) are over held-out replies, lost characters charged with 20 bits each.

```python
import yuhee

yuhee.load("path/to/this/folder").reply("안녕")
```

With plain `transformers`: `tokenizer.apply_chat_template(messages, add_generation_prompt=True)`; a user's message may
carry an `emotion` key.
""",
    "text-classification": """\
The softmax of the logits is calibrated: a temperature fitted on the validation split is part of the last layer.
`ece` is the expected calibration error (Guo et al. 2017, 15 bins).

```python
import yuhee

yuhee.load("path/to/this/folder").classify("오늘 너무 힘들었어")
```
""",
    "text": """\
Bits per character (`bpc`) are over the text that was learned, whoever says it, lost characters charged with 20 bits each.

    python train.py model={starts} model.pretrained=path/to/this/folder
""",
    "fill-mask": """\
`loss` and `accuracy` are over the hidden words, 15 % of them unless the configuration says otherwise.

    python train.py model=emotion_roberta model.pretrained=path/to/this/folder

With plain `transformers`: `pipeline("fill-mask", model="path/to/this/folder")`.
""",
}
_MEMORISED = """
## Memorisation

| audit | result |
|---|---|
{rows}

Exposure after Carlini et al. 2019: 1.4 bits are chance, 10 bits mean that the planted secret was likelier than every
alternative. Completions are word for word and greedy; those of unseen replies were guessed, not remembered.
{examples}"""


def licence(pretrained: str | None, config: Any) -> str:
    """The licence of a model's weights, as Hugging Face spells it.

    Args:
        pretrained: what it started from; None for random weights.
        config: of the network. KoGPT2's names its licence, and whatever is fine-tuned from it keeps the entry.
    """
    if pretrained is None:
        return "apache-2.0"
    named = str(getattr(config, "license", "")).lower().replace(" ", "-")
    return KOGPT2_LICENCE if "kogpt2" in pretrained.lower() or named == KOGPT2_LICENCE else "other"


def model_card(facts: Mapping[str, Any]) -> str:
    """Markdown with the licence, the data and the figures of a model."""
    terms = facts["licence"]
    figures = [
        f"| {name} | {value:.4g} |" for name, value in facts["figures"].items() if isinstance(value, int | float)
    ]
    task, starts = facts.get("task", "text-generation"), facts.get("starts")
    kind = "text" if starts and task != "fill-mask" else task
    return _CARD.format(
        terms=terms,
        task=task,
        purpose=_PURPOSE.get(kind, _PURPOSE["text-generation"]).format(
            labels=", ".join(facts.get("emotion_labels", []))
        ),
        use=_USE.get(kind, _USE["text-generation"]).replace("{starts}", str(starts)),
        title=f"{facts['model']} · {facts['corpus']}",
        pretrained=facts["pretrained"] or "random weights",
        corpus=facts["corpus"],
        corpus_hash=facts["corpus_hash"],
        split=f"{facts['split']['by']}, split seed {facts['split']['seed']}",
        personal=PERSONAL["unmasked" if facts["private"] else facts.get("privacy", "public")],
        more_terms=_KOGPT2_TERMS if terms == KOGPT2_LICENCE else "",
        figures="\n".join(figures),
        memorised=_memorised(facts["probe"]) if "probe" in facts else "",
    )


def _memorised(probe: Mapping[str, Any]) -> str:
    """What `yuhee probe` found; its examples, if it gives any, as text that no reader takes for markup."""
    rows: list[tuple[str, str]] = []
    if "exposure" in (canaries := probe["canaries"]):
        bits = canaries["exposure"]
        seen = f"{canaries['count']} planted secrets, each seen {canaries['repeats']} times an epoch"
        rows.append(
            (
                f"exposure of {seen}",
                f"mean {bits['mean']:.1f}, median {bits['median']:.1f}, most {bits['max']:.1f} bits",
            )
        )
        rows.append(("planted secrets said greedily", f"{canaries['extracted']} of {canaries['count']}"))
    if copies := probe.get("copies"):
        shares = {name: copies[name]["value"] for name in ("copies", "copied_length", "longest_copy")}
        rows.append(
            (f"replies to {copies['questions']} test questions that are a training reply", f"{shares['copies']:.1f} %")
        )
        rows.append(
            (
                "longest stretch of a reply that stands in a training reply",
                f"{shares['longest_copy']:.0f} characters, on average {shares['copied_length']:.1f}",
            )
        )
    for title, name in (("training", "train"), ("unseen", "test")) if "completions" in probe else ():
        side = probe["completions"][name]
        first = f"{title} replies completed from their first {probe['completions']['prefix']} tokens"
        rows.append((first, f"{side['completed']} of {side['tried']}"))
    examples = [*probe.get("copies", {}).get("examples", []), *probe.get("completions", {}).get("examples", [])]
    lines = [f"    {_one_line(each['question'])} → {_one_line(each['reply'])}" for each in examples]
    shown = "\nReplies nearest to the training data:\n\n" + "\n".join(lines) + "\n" if lines else ""
    return _MEMORISED.format(rows="\n".join(f"| {name} | {value} |" for name, value in rows), examples=shown)


def _one_line(text: str) -> str:
    """Text without line breaks and control characters."""
    return " ".join("".join(c for c in word if c.isprintable()) for word in text.split())
