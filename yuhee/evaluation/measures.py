"""How each metric is computed: statistics of every reply, from which any subset's figure follows by adding up."""

import hashlib
from collections.abc import Callable, Iterator

import numpy as np
from sacrebleu.metrics import BLEU, CHRF

from yuhee.data.register import register
from yuhee.evaluation.copying import plain
from yuhee.evaluation.sample import Sample
from yuhee.evaluation.statistics import Array, Sums, Types

# Words of a Korean sentence carry their particles and endings, so that two replies of four words rarely share two in a
# row and BLEU over words is a count of chance. A morphological analyser (`ko-mecab`) would need another program, a
# sentencepiece model (`flores200`) a download; characters need neither and give everyone the same tokens.
BLEU_METRIC = BLEU(tokenize="char", force=True)
CHRF_METRIC = CHRF()
BLEU_METRIC.num_refs = CHRF_METRIC.num_refs = 1


def signature(metric: BLEU | CHRF) -> str:
    """sacrebleu's own, without its version, which the evaluation's setting holds."""
    return str(metric.get_signature()).rpartition("|version:")[0]


def sacrebleu(metric: BLEU | CHRF) -> Callable[[Sample], Sums]:
    def aggregate(sums: Array) -> Array:
        return np.array([metric._compute_score_from_stats(list(row)).score for row in sums], dtype=float)

    def compute(sample: Sample) -> Sums:
        table = metric._extract_corpus_statistics(sample.texts, [sample.references])
        return Sums(np.array(table, dtype=float), aggregate)

    return compute


def _ratio(sums: Array) -> Array:
    """First column ÷ second; NaN where the second is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(sums[:, 1] > 0, sums[:, 0] / sums[:, 1], np.nan)


def _percent(sums: Array) -> Array:
    return 100 * _ratio(sums)


def mean(values: Callable[[Sample], list[float]]) -> Callable[[Sample], Sums]:
    return lambda sample: Sums(np.array([(value, 1.0) for value in values(sample)]), _ratio)


def share(flags: Callable[[Sample], list[bool]]) -> Callable[[Sample], Sums]:
    return lambda sample: Sums(np.array([(flag, 1.0) for flag in flags(sample)], dtype=float), _percent)


def _over(aggregate: Callable[[Array], Array], numerator: Array, denominator: Array) -> Sums:
    """A ratio over the replies for which both are known and the denominator is positive."""
    table = np.column_stack([numerator, denominator])
    table[np.isnan(table).any(axis=1) | (table[:, 1] <= 0)] = 0
    return Sums(table, aggregate)


def bits_per_character(sample: Sample) -> Sums:
    return _over(_ratio, sample.bits, np.array([len(reference) + 1 for reference in sample.references], dtype=float))


def perplexity(sample: Sample) -> Sums:
    tokens = np.array([answer.reference_tokens for answer in sample.answers], dtype=float)
    return _over(lambda sums: np.exp2(np.minimum(_ratio(sums), 1000.0)), sample.bits, tokens)


def distinct(n: int) -> Callable[[Sample], Types]:
    def compute(sample: Sample) -> Types:
        return types([list(_ngrams(text.split(), n)) for text in sample.texts])

    return compute


def types(items: list[list[tuple[str, ...]]], *, repeated: bool = False) -> Types:
    """Items of each reply, numbered alike for every system."""
    named = [_number(item) for reply in items for item in reply]
    owners = np.repeat(np.arange(len(items)), [len(reply) for reply in items])
    return Types(np.array(named, dtype=np.int64), owners, repeated)


def _number(words: tuple[str, ...]) -> int:
    """64 bits of a hash: that two of a million items share one has a probability of 3e-8."""
    text = "\0".join(words).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), signed=True)


def _ngrams(words: list[str], n: int) -> Iterator[tuple[str, ...]]:
    return zip(*(words[start:] for start in range(n)), strict=False)


def repeats_itself(text: str) -> bool:
    """Whether a stretch of four characters occurs in it twice, laughter and tears (one character only) apart."""
    text = plain(text)
    stretches = [text[start : start + 4] for start in range(len(text) - 3)]
    telling = [stretch for stretch in stretches if len(set(stretch)) > 1]
    return len(set(telling)) < len(telling)


def same_register(sample: Sample) -> Sums:
    levels = [(register(text), register(ref)) for text, ref in zip(sample.texts, sample.references, strict=True)]
    table = [(mine == theirs, 1.0) if "기타" not in (mine, theirs) else (0.0, 0.0) for mine, theirs in levels]
    return Sums(np.array(table, dtype=float), _percent)


def seconds_per_reply(sample: Sample) -> Sums:
    seconds = np.array([answer.seconds for answer in sample.answers])
    return _over(_ratio, seconds, (seconds > 0).astype(float))


def tokens_per_second(sample: Sample) -> Sums:
    timed = [(answer.tokens, answer.seconds) for answer in sample.answers]
    return _over(_ratio, *np.array(timed, dtype=float).T)


def same_text(sample: Sample) -> list[bool]:
    return [plain(text) == plain(ref) for text, ref in zip(sample.texts, sample.references, strict=True)]
