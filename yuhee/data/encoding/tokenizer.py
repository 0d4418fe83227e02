"""Tokenizers as plain `tokenizers` objects: loaded from the tokenizer's own file, or trained on a corpus."""

import json
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from yuhee.data.encoding.markers import CONTROL_FORM, END, PAD

_BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
CONTROL_MARKERS = ("<s>", END, "<usr>", PAD, "<sys>", "<unk>", "<mask>", *(f"<unused{n}>" for n in range(10)))
# KoGPT2 normalises with NFKC, which turns compatibility jamo (ㅋ, ㅏ, ㄳ) into conjoining ones; people write the former.
_JAMO = str.maketrans({unicodedata.normalize("NFKC", chr(c)): chr(c) for c in range(0x3131, 0x3164)})
BROKEN = "\ufffd"  # what some of a character's bytes decode to


def parse_tokenizer(text: str) -> Tokenizer:
    """A tokenizer from the text of its `tokenizer.json`, with emoticons as ordinary tokens.

    KoGPT2's file flags emoticons as special, so that every `skip_special_tokens=True` deletes them; here only
    control markers stay special. Token ids do not change.

    Raises:
        ValueError: not a tokenizer file.
    """
    try:
        data = json.loads(text)
        for token in data["added_tokens"]:
            token["special"] = bool(CONTROL_FORM.fullmatch(token["content"]))
            if token["special"]:  # matched as it stands and nowhere else: full-width ＜usr＞ is text
                token.update(normalized=False, single_word=False, lstrip=False, rstrip=False)
        tokenizer = Tokenizer.from_str(json.dumps(data, ensure_ascii=False))
    except Exception as error:  # the library raises bare Exception
        raise ValueError(f"not a tokenizer file: {error}") from None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def added_tokens(text: str) -> dict[str, bool]:
    """The added tokens of a `tokenizer.json`, and whether the file flags each of them as special.

    Raises:
        ValueError: not a tokenizer file.
    """
    try:
        return {token["content"]: bool(token["special"]) for token in json.loads(text)["added_tokens"]}
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a tokenizer file: {error}") from None


def tokenizer_of_marks(text: str, control: Iterable[str]) -> Tokenizer:
    """A tokenizer from the text of its `tokenizer.json`, which takes marks as they stand and nowhere else.

    A mark that was looked for in normalised text would also be found in its full-width letters.

    Raises:
        ValueError: not a tokenizer file.
    """
    marks = frozenset(control)
    try:
        data = json.loads(text)
        for token in data["added_tokens"]:
            token["normalized"] = token["normalized"] and token["content"] not in marks
        tokenizer = Tokenizer.from_str(json.dumps(data, ensure_ascii=False))
    except Exception as error:  # the library raises bare Exception
        raise ValueError(f"not a tokenizer file: {error}") from None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def train_tokenizer(texts: Iterable[str], vocab_size: int) -> Tokenizer:
    """Train a BPE tokenizer with byte fallback and KoGPT2's control markers.

    Words carry a `▁` in front as KoGPT2's do; a character never seen in training is spelt as its UTF-8 bytes, so
    that nothing is lost.

    Args:
        texts: plain text, one message each.
        vocab_size: markers, bytes and merges together, in tokens; fewer come out of a small corpus.
    """
    tokenizer = _bare(models.BPE())
    trainer = trainers.BpeTrainer(
        vocab_size=max(vocab_size - len(_BYTES), len(CONTROL_MARKERS)),
        limit_alphabet=max(vocab_size - len(_BYTES) - len(CONTROL_MARKERS), 0),  # bytes spell the rest
        initial_alphabet=["▁"],
        special_tokens=list(CONTROL_MARKERS),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_lines(texts), trainer)
    model = json.loads(tokenizer.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].__getitem__)
    # The byte tokens enter the vocabulary but not the added tokens: `<0x41>` typed by a user stays text.
    tokens[len(CONTROL_MARKERS) : len(CONTROL_MARKERS)] = _BYTES
    merges = [tuple(pair) for pair in model["merges"]]
    vocab = {token: index for index, token in enumerate(tokens)}
    final = _bare(models.BPE(vocab=vocab, merges=merges, byte_fallback=True))
    final.add_special_tokens([AddedToken(marker, special=True, normalized=False) for marker in CONTROL_MARKERS])
    return final


def save_tokenizer(
    tokenizer: Tokenizer, folder: Path, max_positions: int, *, chat_template: str | None = None, **special: str
) -> None:
    """Write tokenizer files from which plain `transformers` makes the same tokenizer.

    They name `PreTrainedTokenizerFast`: transformers 4.x and engines built on it do not know the class that 5.x would
    name.

    Args:
        max_positions: of the network, in tokens.
        special: `eos_token`, `pad_token`, … → token.
    """
    from transformers import PreTrainedTokenizerFast  # seconds, which reading a corpus must not wait for

    saved = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, clean_up_tokenization_spaces=False, model_max_length=max_positions, **special
    )
    saved.chat_template = chat_template
    saved.save_pretrained(folder)
    file = folder / "tokenizer_config.json"
    config = json.loads(file.read_text(encoding="utf-8"))
    config["tokenizer_class"] = "PreTrainedTokenizerFast"
    for key in ("is_local", "local_files_only", "backend"):
        config.pop(key, None)
    file.write_text(json.dumps(config, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def readable(text: str) -> str:
    """Decoded text with jamo as people type them (U+314B ㅋ, not U+110F)."""
    return text.translate(_JAMO)


def whole_characters(tokenizer: Tokenizer, ids: Sequence[int], decode: Callable[[list[int]], str]) -> Sequence[int]:
    """The ids up to a last run of tokens for bytes, which may yet grow into another character.

    Further bytes can change all of the run: it is decoded as one.
    """
    end = len(ids)
    while end and (tokenizer.id_to_token(ids[end - 1]) in _BYTES or decode(list(ids[:end])).endswith(BROKEN)):
        end -= 1
    return ids[:end]


def _bare(model: models.Model) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return tokenizer


def _lines(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        yield from text.split("\n")
