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
pipeline_tag: text-generation
license: {terms}
---

# 유희 · {title}

A Korean conversation model trained with yuhee. It talks as 유희지희, an AI friend; it is not a person, not a
counsellor, and it makes mistakes.

- Started from: {pretrained}
- Data: {corpus} (corpus hash `{corpus_hash}`), split by {split}
- Personal text in the data: {personal}
- Licence of the weights: {terms}
{more_terms}
| figure | value |
|---|---|
{figures}

Bits per character (`bpc`) are over held-out replies, lost characters charged with 20 bits each.

```python
import yuhee

yuhee.load("path/to/this/folder").reply("안녕")
```

With plain `transformers`: `tokenizer.apply_chat_template(messages, add_generation_prompt=True)`; a user's message may
carry an `emotion` key.
"""


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
    return _CARD.format(
        terms=terms,
        title=f"{facts['model']} · {facts['corpus']}",
        pretrained=facts["pretrained"] or "random weights",
        corpus=facts["corpus"],
        corpus_hash=facts["corpus_hash"],
        split=f"{facts['split']['by']}, split seed {facts['split']['seed']}",
        personal=PERSONAL["unmasked" if facts["private"] else facts.get("privacy", "public")],
        more_terms=_KOGPT2_TERMS if terms == KOGPT2_LICENCE else "",
        figures="\n".join(figures),
    )
