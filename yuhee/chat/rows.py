"""Prompts that a network has read, and replies to them that grow together, a token each at a time."""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor
from transformers import DynamicCache, EncoderDecoderCache, PreTrainedModel

from yuhee.data.encoding.seq2seq_example import padded


class Rows(Protocol):
    """Logits are (rows, vocabulary) in float32 on the CPU; call under `torch.inference_mode`."""

    def first(self) -> Tensor:
        """Logits after the prompts, and what the replies begin with."""

    def after(self, tokens: Sequence[int]) -> Tensor:
        """Logits after a further token of each row."""

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with some of the rows."""


def make_rows(
    network: PreTrainedModel, prompts: Sequence[Sequence[int]], begun: Sequence[Sequence[int]], pad_id: int
) -> Rows:
    """The rows of a network, whatever its architecture.

    Args:
        prompts: ids of each.
        begun: what each reply begins with, equally many ids.
        pad_id: token id of the padding.
    """
    if network.config.is_encoder_decoder:
        return Seq2SeqRows(network, prompts, begun, pad_id)
    return _CausalRows(network, [[*prompt, *start] for prompt, start in zip(prompts, begun, strict=True)], pad_id)


class Seq2SeqRows:
    """Rows of an encoder-decoder network: a prompt is read once, whatever becomes of its reply."""

    def __init__(
        self, network: PreTrainedModel, prompts: Sequence[Sequence[int]], begun: Sequence[Sequence[int]], pad_id: int
    ) -> None:
        self.network = network
        ids, mask = padded(prompts, pad_id)
        self._mask = mask.long().to(network.device)
        self._read = network.get_encoder()(input_ids=ids.to(network.device), attention_mask=self._mask)
        self._begun = [[network.config.decoder_start_token_id, *start] for start in begun]
        self._cache = EncoderDecoderCache(DynamicCache(), DynamicCache())

    def first(self) -> Tensor:
        return self._logits(self._begun)

    def after(self, tokens: Sequence[int]) -> Tensor:
        return self._logits([[token] for token in tokens])

    def keep(self, rows: Sequence[int]) -> None:
        index = torch.tensor(rows, device=self._mask.device)
        self._cache.batch_select_indices(index)
        self._mask = self._mask[index]
        self._read.last_hidden_state = self._read.last_hidden_state[index]

    def _logits(self, ids: Sequence[Sequence[int]]) -> Tensor:
        output = self.network(
            encoder_outputs=self._read,
            attention_mask=self._mask,
            decoder_input_ids=torch.tensor(ids, device=self._mask.device),
            past_key_values=self._cache,
            use_cache=True,
        )
        logits: Tensor = output.logits[:, -1].float().cpu()
        return logits


class _CausalRows:
    """Rows of a causal network, padded on the left."""

    def __init__(self, network: PreTrainedModel, prompts: Sequence[Sequence[int]], pad_id: int) -> None:
        self.network = network
        ids, mask = padded([prompt[::-1] for prompt in prompts], pad_id)
        self._ids = ids.flip(1).to(network.device)
        self._mask = mask.flip(1).long().to(network.device)
        self._positions = (self._mask.cumsum(-1) - 1).clamp(min=0)
        self._cache = DynamicCache(config=network.config)

    def first(self) -> Tensor:
        return self._logits()

    def after(self, tokens: Sequence[int]) -> Tensor:
        self._mask = torch.cat([self._mask, self._mask.new_ones(len(tokens), 1)], dim=1)
        self._positions = self._positions[:, -1:] + 1
        self._ids = torch.tensor(tokens, device=self._mask.device)[:, None]
        return self._logits()

    def keep(self, rows: Sequence[int]) -> None:
        index = torch.tensor(rows, device=self._mask.device)
        self._cache.batch_select_indices(index)
        self._mask, self._positions = self._mask[index], self._positions[index]

    def _logits(self) -> Tensor:
        output = self.network(
            self._ids,
            attention_mask=self._mask,
            position_ids=self._positions,
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=1,
        )
        logits: Tensor = output.logits[:, -1].float().cpu()
        return logits
