from dataclasses import asdict

from tests.conftest import dialogue
from yuhee.data.canaries import DIGITS, Canary, alternatives, make_canaries, plant
from yuhee.data.mix import repeated
from yuhee.data.splits import Split


def test_canaries_follow_from_the_seed_alone() -> None:
    canaries = make_canaries(20, seed=3)
    assert canaries == make_canaries(20, seed=3)
    assert canaries[:5] == make_canaries(5, seed=3)
    assert len({canary.question for canary in canaries}) == 20
    assert len({canary.secret for canary in canaries}) == 20
    assert not {canary.secret for canary in canaries} & {canary.secret for canary in make_canaries(20, seed=4)}
    assert make_canaries(0, seed=3) == []


def test_a_canary_is_a_dialogue_whose_reply_holds_the_secret() -> None:
    [canary] = make_canaries(1, seed=0)
    assert canary.secret.isdecimal()
    assert len(canary.secret) == DIGITS
    assert canary.dialogue.questions == (canary.question,)
    assert canary.dialogue.replies == (canary.reply,)
    assert canary.secret in canary.reply
    assert Canary(**asdict(canary)) == canary


def test_alternatives_are_other_secrets_of_the_same_form() -> None:
    [canary] = make_canaries(1, seed=0)
    others = alternatives(canary, 1023)
    assert others == alternatives(canary, 1023)
    assert len({other.secret for other in others}) == 1023
    assert canary.secret not in {other.secret for other in others}
    assert {(other.question, len(other.secret)) for other in others} == {(canary.question, DIGITS)}


def test_they_are_planted_into_train_alone_as_often_as_is_asked() -> None:
    train, val, test = ([dialogue(f"{name} 질문", "답", name=name)] for name in ("a", "b", "c"))
    canaries = make_canaries(2, seed=0)
    parts = plant(Split(train, val, test), canaries, 3)
    assert (parts.val, parts.test) == (val, test)
    assert [each.replies[0] for each in repeated(parts.train)] == [
        "답",
        *[canaries[0].reply] * 3,
        *[canaries[1].reply] * 3,
    ]
    assert plant(Split(train, val, test), [], 3) == Split(train, val, test)
