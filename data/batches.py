"""A batch of examples to padded micro-batches."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from data.encode import IGNORE, Example

# Padded lengths are multiples of 16: on a CPU, oneDNN compiles and caches a kernel per length.
LENGTH_MULTIPLE = 16


def split_batch(
    examples: Sequence[Example], micro_batch_size: int, micro_batch_tokens: int, multiple: int = 1
) -> list[list[Example]]:
    """Split a batch into micro-batches of a number of examples or of a budget of tokens.

    With `micro_batch_tokens` (0 means none) the examples are sorted by length, so that little is
    padding, and a micro-batch takes examples as long as rows x padded length stays within the
    budget. The gradient of a batch is a sum over its examples, so the split does not change it.
    """
    if not micro_batch_tokens:
        return [
            list(examples[start : start + micro_batch_size])
            for start in range(0, len(examples), micro_batch_size)
        ]
    micro_batches: list[list[Example]] = [[]]
    for example in sorted(examples, key=lambda example: len(example.input_ids)):
        length = round_up(len(example.input_ids), multiple)
        if micro_batches[-1] and (len(micro_batches[-1]) + 1) * length > micro_batch_tokens:
            micro_batches.append([])
        micro_batches[-1].append(example)
    return micro_batches


def round_up(length: int, multiple: int) -> int:
    """The smallest multiple of `multiple` that is at least `length`."""
    return length + -length % multiple


def collate(examples: Iterable[Example], pad_id: int, multiple: int = 1) -> dict[str, Tensor]:
    """Pad examples on the right to one length T: `input_ids` and `labels`, both (B, T).

    T is the longest example rounded up to `multiple`, so that the hardware meets fewer lengths.
    """
    examples = list(examples)
    length = round_up(max(len(example.input_ids) for example in examples), multiple)
    input_ids = torch.full((len(examples), length), pad_id)  # (B, T)
    labels = torch.full((len(examples), length), IGNORE)  # (B, T)
    for row, example in enumerate(examples):
        input_ids[row, : len(example.input_ids)] = torch.tensor(example.input_ids)
        labels[row, : len(example.labels)] = torch.tensor(example.labels)
    return {"input_ids": input_ids, "labels": labels}
