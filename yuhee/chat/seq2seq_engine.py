"""Replies of encoder-decoder networks: the conversation is read once for each, the reply grows from its own cache."""

from collections.abc import Callable, Sequence

from torch import Tensor
from transformers import PreTrainedModel

from yuhee.chat.engine import TorchEngine
from yuhee.chat.rows import Seq2SeqRows
from yuhee.data.encoding.encoder import ReplyEncoder
from yuhee.models.positions import longest_input


class Seq2SeqEngine(TorchEngine):
    """Replies of an encoder-decoder network."""

    def __init__(self, network: PreTrainedModel, encoder: ReplyEncoder) -> None:
        super().__init__(network, encoder)
        self.max_positions = 2 * longest_input(network)  # of the encoder and of the decoder

    def next_logits(self, prompt: Sequence[int]) -> Callable[[Sequence[int]], Tensor]:
        """Each call reads the last token of the reply alone."""
        rows = Seq2SeqRows(self.network, [prompt], [[]], self.encoder.special_ids()["pad_token_id"])
        return lambda reply: rows.after(reply[-1:]) if reply else rows.first()
