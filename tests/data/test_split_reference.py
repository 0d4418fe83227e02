"""The split against a plain one, which holds everything in lists; and those of the corpora that everybody has."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yuhee.data.chains import chained
from yuhee.data.dialogue import Dialogue, Turn, draw, group_keys, normalize_question
from yuhee.data.digests import corpus_hash
from yuhee.data.mix import repeated
from yuhee.data.splits import SPLITS, Split, split
from yuhee.errors import UserError
from yuhee.training import compose_config, parse_config


def plain_digest(text: str) -> str:
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=16).hexdigest()


def plain_groups(dialogues: Sequence[Dialogue]) -> list[list[int]]:
    limit = max(int(0.01 * len(dialogues)), 20)
    homes = {index: [index] for index in range(len(dialogues))}
    home = list(range(len(dialogues)))
    holders = defaultdict(list)
    for index, dialogue in enumerate(dialogues):
        for key in set(dialogue.group_keys):
            holders[key].append(index)
    for _, _, members in sorted((len(m), plain_digest(key), m) for key, m in holders.items()):
        joined = sorted({home[index] for index in members})
        if len(joined) > 1 and sum(len(homes[one]) for one in joined) <= limit:
            homes[joined[0]] = sorted(index for one in joined for index in homes.pop(one))
            for index in homes[joined[0]]:
                home[index] = joined[0]
    return [homes[one] for one in sorted(homes)]


def plain_split(dialogues: Sequence[Dialogue], by: str, seed: int, ratios: Sequence[float]) -> list[list[Dialogue]]:
    hashes = [dialogue.content_hash() for dialogue in dialogues]
    labels = [Counter(["", *(t.emotion for t in d.turns if t.role == "user" and t.emotion)]) for d in dialogues]
    groups = plain_groups(dialogues) if by == "group" else [[index] for index in range(len(dialogues))]
    if len(groups) < 3:
        raise UserError("")
    totals = sum(labels, Counter[str]())
    missing = [{label: ratio * count for label, count in totals.items()} for ratio in ratios]
    parts: list[list[int]] = [[] for _ in ratios]
    for members in sorted(groups, key=lambda g: (-len(g), plain_digest(f"{seed}:{sorted(hashes[i] for i in g)}"))):
        held = sum((labels[index] for index in members), Counter[str]())
        lack = [
            sum(count * short[label] / (ratio * totals[label]) for label, count in sorted(held.items()))
            for short, ratio in zip(missing, ratios, strict=True)
        ]
        best = lack.index(max(lack))
        parts[best] += members
        for label, count in held.items():
            missing[best][label] -= count
    return [[dialogues[index] for index in sorted(part, key=hashes.__getitem__)] for part in parts]


def plain_overlap(parts: Sequence[Sequence[Dialogue]]) -> dict[str, float]:
    questions, replies = (
        [{q for d in part for q in texts(d)} for part in parts] for texts in (asked, Dialogue.replies.fget)
    )
    shares = {}
    for number, name in enumerate(("val", "test"), start=1):
        for kind, seen, texts in (("question", questions, asked), ("reply", replies, Dialogue.replies.fget)):
            flags = [text in seen[0] for d in parts[number] for text in texts(d)]
            shares[f"data/{name}_{kind}_overlap"] = sum(flags) / len(flags) if flags else 0.0
    return shares


def asked(dialogue: Dialogue) -> list[str]:
    return [normalize_question(question) for question in dialogue.questions]


def plain_chains(dialogues: Sequence[Dialogue], share: float) -> list[tuple[str, tuple[Turn, ...]]]:
    longest = max((len(dialogue.turns) for dialogue in dialogues), default=0)
    chains: list[tuple[str, tuple[Turn, ...]]] = []
    for dialogue in sorted(dialogues, key=Dialogue.content_hash):
        one = (dialogue.id, dialogue.turns)
        fits = chains and len(chains[-1][1]) + len(dialogue.turns) <= longest
        if fits and dialogue.turns[0].role != "system" and draw(dialogue.content_hash()) < share:
            name, turns = chains.pop()
            one = (f"{name}+{dialogue.id}", turns + dialogue.turns)
        chains.append(one)
    return chains


def plain_hash(dialogues: Sequence[Dialogue]) -> str:
    keys = sorted(d.content_hash() + (f"×{d.repeat:g}" if d.repeat != 1 else "") for d in dialogues)
    return hashlib.blake2b("".join(keys).encode(), digest_size=16).hexdigest()


WORDS = st.sampled_from(["안녕", "안녕!", "응", "ㅋㅋ", "밥 먹었어?", "밥먹었어", "왜", "<usr>", "?", "좋아\n해"])
LABELS = st.sampled_from(["0", "1", "10", "😊", "", None])


@st.composite
def dialogues_of(draw: st.DrawFn) -> Dialogue:
    turns = [Turn("system", draw(WORDS))] if draw(st.integers(0, 9)) == 0 else []
    for _ in range(draw(st.integers(1, 3))):
        role = draw(st.sampled_from(["user", "assistant"]))
        turns.append(Turn(role, draw(WORDS), draw(LABELS) if role == "user" else None, weight=draw(st.integers(0, 1))))
    own = draw(st.lists(st.sampled_from(["방:1", "방:2", "방:\ud800"]), max_size=2))
    repeat = draw(st.sampled_from([1.0, 1.0, 0.5, 2.0, 2.5, 10.0]))
    return Dialogue(draw(st.text(max_size=3)), tuple(turns), (*group_keys(turns), *own), "s", {"n": 1}, repeat)


CORPUS = st.lists(dialogues_of(), max_size=60)


@given(
    CORPUS, st.sampled_from(["group", "row"]), st.integers(0, 3), st.sampled_from([(0.8, 0.1, 0.1), (0.3, 0.3, 0.4)])
)
def test_a_split_is_the_plain_one_to_the_last_place(
    dialogues: list[Dialogue], by: str, seed: int, ratios: tuple[float, float, float]
) -> None:
    try:
        expected = plain_split(dialogues, by, seed, ratios)
    except UserError:
        with pytest.raises(UserError, match="나눌 수 없습니다"):
            split(dialogues, by=by, seed=seed, ratios=ratios)  # type: ignore[arg-type]
        return
    found = split(dialogues, by=by, seed=seed, ratios=ratios)  # type: ignore[arg-type]
    assert [getattr(found, name) for name in SPLITS] == expected
    assert found.overlap() == plain_overlap(expected)
    assert Split(*expected).overlap() == plain_overlap(expected)


@given(st.lists(st.sets(st.integers(0, 40), max_size=4), min_size=3, max_size=300))
def test_groups_of_any_keys_are_the_plain_ones(keys: list[set[int]]) -> None:
    dialogues = [
        Dialogue(str(n), (Turn("user", f"{n}"), Turn("assistant", "응")), tuple(map(str, some)))
        for n, some in enumerate(keys)
    ]
    if len(plain_groups(dialogues)) >= 3:
        found = split(dialogues)
        assert [getattr(found, name) for name in SPLITS] == plain_split(dialogues, "group", 0, (0.8, 0.1, 0.1))


@given(CORPUS, st.sampled_from([0.0, 0.3, 0.9]))
def test_chains_are_the_plain_ones(dialogues: list[Dialogue], share: float) -> None:
    found = chained(dialogues, share)
    assert [(each.id, each.turns) for each in found] == plain_chains(dialogues, share)
    assert len(found) == len(list(found))


@given(CORPUS)
def test_hash_and_repetitions_are_the_plain_ones(dialogues: list[Dialogue]) -> None:
    assert corpus_hash(dialogues) == plain_hash(dialogues)
    times = [int(d.repeat) + (draw(d.content_hash()) < d.repeat % 1) for d in dialogues]
    assert repeated(dialogues) == [d for d, many in zip(dialogues, times, strict=True) for _ in range(many)]


def fingerprints(parts: Split) -> list[str]:
    """Of what stands in each part, in its order."""
    texts = ["\n".join(f"{d.id} {d.content_hash()}" for d in getattr(parts, name)) for name in SPLITS]
    return [hashlib.blake2b(text.encode(), digest_size=8).hexdigest() for text in texts]


# made with the plain split
PINNED = {
    "group": {
        "songys": ["b0760e15a4448157", "19c07abecd531a7c", "c8a04a9c2ad74619"],
        "sample": ["01f70e719f77a556", "af7a80a1542074a9", "ac5c68f01ada3efe"],
    },
    "row": {
        "songys": ["2f70af912c09405f", "e83548a362117ef8", "281e69922d17dbae"],
        "sample": ["f360178f668b5034", "386be6cf7d588206", "6434e4db3cdc50f7"],
    },
}


@pytest.mark.usefixtures("songys_data")
@pytest.mark.parametrize("by", ["group", "row"])
@pytest.mark.parametrize("data", ["songys", "sample"])
def test_the_splits_of_the_published_corpora_stay_what_they_were(data: str, by: str) -> None:
    corpus = parse_config(compose_config([f"data={data}"])).data.read()
    assert fingerprints(split(corpus.dialogues, by=by)) == PINNED[by][data]  # type: ignore[arg-type]
