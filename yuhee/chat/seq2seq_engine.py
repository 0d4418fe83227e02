"""Replies of encoder-decoder networks: the conversation is read once for each, the reply grows from its own cache."""

from collections.abc import Iterator, Sequence

import torch
from transformers import PreTrainedModel

from yuhee.chat.beams import beam_search
from yuhee.chat.engine import Decoding, choose, forbidden_tokens, reply_room
from yuhee.chat.rows import Seq2SeqRows
from yuhee.data.encoding.encoder import ReplyEncoder
from yuhee.models.positions import longest_input


class Seq2SeqEngine:
    """Generates replies with PyTorch.

    Args:
        network: an encoder-decoder network in evaluation mode.
        encoder: knows which ids may not be generated and which one ends a reply.
    """

    def __init__(self, network: PreTrainedModel, encoder: ReplyEncoder) -> None:
        self.network = network
        self.encoder = encoder
        self.max_positions = 2 * longest_input(network)  # of the encoder and of the decoder
        self._banned, self._banned_first = forbidden_tokens(network.get_output_embeddings().weight.shape[0], encoder)

    @torch.inference_mode()
    def stream(self, prompt: Sequence[int], decoding: Decoding, seed: int | None = None) -> Iterator[int]:
        """Yield a reply's ids, without its end token; the reply of a beam search comes at once.

        The reply ends with the end token, after `max_new_tokens`, or where the decoder's positions end.

        Args:
            prompt: (length,) ids.
            seed: of the sampling; None draws one.
        """
        room = reply_room(self.network, len(prompt), decoding)
        processors = decoding.processors()
        if decoding.beams > 1:
            rules = {"forbidden": (self._banned, self._banned_first), "processors": processors}
            found = beam_search(self.network, self.encoder, prompt, beams=decoding.beams, room=room, **rules)
            yield from (token for token in found if token != self.encoder.end_id)
            return
        random = torch.Generator()
        random.seed() if seed is None else random.manual_seed(seed)
        rows = Seq2SeqRows(self.network, [prompt], [[]], self.encoder.special_ids()["pad_token_id"])
        said: list[int] = []
        while len(said) < room:
            logits = rows.after(said[-1:]) if said else rows.first()
            logits[0, self._banned if said else self._banned_first] = -torch.inf
            token = choose(processors(torch.tensor([said], dtype=torch.long), logits)[0], decoding, random)
            if token == self.encoder.end_id:
                return
            said.append(token)
            yield token
