import json
import math
from pathlib import Path

import pytest
import torch

from tests.conftest import dialogue, small_module
from yuhee import bundle
from yuhee.data.dialogue import Dialogue, Turn
from yuhee.data.encoding.causal_lm import CausalLMEncoder
from yuhee.evaluation.likelihood import score_replies
from yuhee.evaluation.run_data import open_run


@pytest.mark.parametrize("split", ["val", "test"])
def test_the_sum_over_replies_is_what_training_measured(run_folder: Path, split: str) -> None:
    run = open_run(run_folder)
    dialogues = getattr(run.split, split)
    scores = [score for each in score_replies(run.companion.model, dialogues) for score in each.values()]
    characters = sum(len(reply) + 1 for each in dialogues for reply in each.replies)
    trained = json.loads((run_folder / "metrics.json").read_text())
    assert len(scores) == sum(len(each.replies) for each in dialogues) > len(dialogues)
    assert sum(score.bits for score in scores) / characters == pytest.approx(trained[f"{split}/bpc"], rel=1e-5)
    perplexity = 2 ** (sum(score.bits for score in scores) / sum(score.tokens for score in scores))
    assert perplexity == pytest.approx(trained[f"{split}/ppl"], rel=1e-5)


def test_a_reply_costs_what_the_network_says_whatever_stands_beside_it(small_model: bundle.Model) -> None:
    talk = dialogue("안녕", "응 안녕", "밥 먹었어?", "라면 먹었어 :)")
    others = [dialogue("오늘 너무 힘들었어ㅠㅠ" * n, "고생했어" * n, name=f"d:{n}") for n in range(1, 9)]
    scores = score_replies(small_model, [*others, talk])[-1]
    ids = small_model.encoder.encode([talk])[0].input_ids
    with torch.inference_mode():
        log_probabilities = small_model.network(torch.tensor([ids])).logits[0].log_softmax(-1)
    ends = [place for place, token in enumerate(ids) if token == small_model.encoder.end_id]
    for turn, end in zip((1, 3), ends, strict=True):
        reply = small_model.encoder.turn_ids(talk.turns[turn])[1:]
        places = range(end - len(reply) + 1, end + 1)
        bits = -sum(float(log_probabilities[place - 1, ids[place]]) for place in places) / math.log(2)
        assert scores[turn].bits == pytest.approx(bits, rel=1e-4)
        assert scores[turn].tokens == len(reply)
    assert set(scores) == {1, 3}


def test_a_character_that_the_tokenizer_loses_costs_twenty_bits(kogpt2_like: CausalLMEncoder) -> None:
    module = small_module(kogpt2_like)
    model = bundle.Model(module.network.eval(), kogpt2_like, module.description())
    kept, lossy = dialogue("안녕", "고마워"), dialogue("안녕", "고마워뷁")
    same_ids = kogpt2_like.turn_ids(kept.turns[1]) == kogpt2_like.turn_ids(lossy.turns[1])
    [[kept_score], [lossy_score]] = [list(each.values()) for each in score_replies(model, [kept, lossy])]
    assert same_ids
    assert lossy_score.bits - kept_score.bits == pytest.approx(20.0, abs=1e-3)


def test_what_a_long_dialogue_left_out_has_no_score(small_model: bundle.Model) -> None:
    texts = [text for n in range(12) for text in (f"오늘 너무 힘들었어 {n}", f"그래도 끝났잖아, 고생했어 {n}")]
    [scores] = score_replies(small_model, [dialogue(*texts)])
    assert max(scores) == 23
    assert 0 < len(scores) < 12
    assert set(scores) == set(range(min(scores), 24, 2))


def test_a_reply_that_opens_a_dialogue_or_is_not_learned(small_model: bundle.Model) -> None:
    turns = (
        Turn("assistant", "안녕!"),
        Turn("user", "응"),
        Turn("assistant", "뭐 해?", weight=0),
        Turn("assistant", "자?"),
    )
    [scores] = score_replies(small_model, [Dialogue("d:1", turns)])
    assert set(scores) == {0, 3}


def test_a_model_trained_on_single_exchanges_is_scored_on_single_exchanges(small_model: bundle.Model) -> None:
    talk = dialogue("안녕", "응 안녕", "밥 먹었어?", "라면 먹었어 :)")
    single = bundle.Model(small_model.network, small_model.encoder, {**small_model.facts, "history": 0})
    [apart] = score_replies(single, [talk])
    [[first], [second]] = [
        list(each.values())
        for each in score_replies(small_model, [dialogue("안녕", "응 안녕"), dialogue("밥 먹었어?", "라면 먹었어 :)")])
    ]
    assert set(apart) == {1, 3}
    assert apart[1].bits == pytest.approx(first.bits)
    assert apart[3].bits == pytest.approx(second.bits)
    assert apart[3].bits != pytest.approx(score_replies(small_model, [talk])[0][3].bits)
