"""A KV cache that appends a token without copying the tokens before it."""

from typing import Any

from torch import Tensor
from transformers import Cache
from transformers.cache_utils import DynamicLayer


class PreallocatedLayer(DynamicLayer):
    """The keys and values of one layer, (B, heads, T, head_dim), in a buffer with room for all T.

    transformers' DynamicLayer appends with `torch.cat`, which copies the cache at each step.
    """

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room

    def update(
        self, key_states: Tensor, value_states: Tensor, *_args: Any, **_kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Append the keys and values of new tokens; return views of all that are stored."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            batch, heads, _, size = key_states.shape
            self.buffer = key_states.new_empty(2, batch, heads, self.room, size)
        start = self.get_seq_length()
        end = start + key_states.shape[-2]
        self.buffer[0, :, :, start:end] = key_states
        self.buffer[1, :, :, start:end] = value_states
        self.keys, self.values = self.buffer[:, :, :, :end]  # each (B, heads, end, head_dim)
        return self.keys, self.values

    def batch_select_indices(self, indices: Tensor) -> None:
        """Make these rows the batch. A row may be left out, and may be taken several times."""
        end = self.get_seq_length()
        self.buffer = self.buffer[:, indices]
        self.keys, self.values = self.buffer[:, :, :, :end]


class PreallocatedCache(Cache):
    """The cache of a model with `layers` layers, for texts of at most `room` tokens."""

    layers: list[PreallocatedLayer]  # type: ignore[assignment]

    def __init__(self, layers: int, room: int) -> None:
        super().__init__(layers=[PreallocatedLayer(room) for _ in range(layers)])
