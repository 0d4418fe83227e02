"""Beam search: of several beginnings of a reply the likeliest go on, and the likeliest whole reply is said."""

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import LogitsProcessor, LogitsProcessorList, PreTrainedModel

from yuhee.data.encoding.encoder import ReplyEncoder


@torch.inference_mode()
def beam_search(
    network: PreTrainedModel,
    encoder: ReplyEncoder,
    prompt: Sequence[int],
    *,
    beams: int,
    room: int,
    forbidden: tuple[Tensor, Tensor],
    processors: LogitsProcessorList,
) -> list[int]:
    """Ids of the likeliest reply that is found, its end token included where it came to one.

    Whole replies are compared by their mean log-probability per token.

    Args:
        beams: beginnings that are followed.
        room: most tokens.
        forbidden: (vocabulary,) bool twice, see `forbidden_tokens`.
        processors: further rules for a reply's tokens.
    """
    if room <= 0:
        return []
    ids = torch.tensor([prompt], device=network.device)
    inputs, skipped = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}, len(prompt)
    start = getattr(network.config, "decoder_start_token_id", None)
    if network.config.is_encoder_decoder:
        inputs["decoder_input_ids"], skipped = torch.tensor([[start]], device=network.device), 1
    said = network.generate(
        **inputs,
        num_beams=beams,
        max_new_tokens=room,
        do_sample=False,
        early_stopping=True,
        eos_token_id=encoder.end_id,
        pad_token_id=encoder.special_ids()["pad_token_id"],
        decoder_start_token_id=start,
        logits_processor=LogitsProcessorList([_OfReply(skipped, forbidden, processors)]),
        # a checkpoint's own settings would add to these rules
        repetition_penalty=1.0,
        no_repeat_ngram_size=0,
        length_penalty=1.0,
        min_length=0,
        forced_bos_token_id=None,
        forced_eos_token_id=None,
    )
    found: list[int] = said[0, skipped:].tolist()
    return found[: found.index(encoder.end_id) + 1] if encoder.end_id in found else found


class _OfReply(LogitsProcessor):  # type: ignore[misc]
    """The rules for a reply, where `generate` shows the prompt as well."""

    def __init__(self, skipped: int, forbidden: tuple[Tensor, Tensor], processors: LogitsProcessorList) -> None:
        self.skipped = skipped
        self.later, self.first = forbidden
        self.processors = processors

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """(beams, length) ids and (beams, vocabulary) log-probabilities → the latter, −∞ for what may not come."""
        said = input_ids[:, self.skipped :]
        forbidden = (self.later if said.shape[1] else self.first).to(scores.device)
        changed: Tensor = self.processors(said, scores.masked_fill(forbidden, -torch.inf))
        return changed
