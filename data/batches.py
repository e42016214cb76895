"""Examples to micro-batches: cutting a window, padding to one length."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from data.encode import IGNORE, Example

# Lengths in steps of 16: on a CPU oneDNN builds and keeps a kernel for each length.
LENGTHS = 16


def cut_window(
    window: Sequence[Example], size: int, token_budget: int, multiple: int = 1
) -> list[list[Example]]:
    """Micro-batches of a window: `size` examples each or, with a budget, as many as it holds.

    With a `token_budget` (0 is none) the window is sorted by length, so that little is padding,
    and a micro-batch takes examples while rows x padded length stays within the budget. The
    window's gradient is a sum over its examples: neither order nor cut changes it.
    """
    if not token_budget:
        return [list(window[i : i + size]) for i in range(0, len(window), size)]
    batches: list[list[Example]] = [[]]
    for example in sorted(window, key=lambda example: len(example.input_ids)):
        length = round_up(len(example.input_ids), multiple)
        if batches[-1] and (len(batches[-1]) + 1) * length > token_budget:
            batches.append([])
        batches[-1].append(example)
    return batches


def round_up(length: int, multiple: int) -> int:
    """The smallest multiple of `multiple` that is at least `length`."""
    return length + -length % multiple


def collate(examples: Iterable[Example], pad_id: int, multiple: int = 1) -> dict[str, Tensor]:
    """Pad on the right to the longest: `input_ids` and `labels`, both (B, T).

    T is rounded up to a `multiple`, which spares the hardware from meeting every length there is.
    """
    examples = list(examples)
    length = round_up(max(len(example.input_ids) for example in examples), multiple)
    ids = torch.full((len(examples), length), pad_id)
    labels = torch.full((len(examples), length), IGNORE)
    for i, example in enumerate(examples):
        ids[i, : len(example.input_ids)] = torch.tensor(example.input_ids)
        labels[i, : len(example.labels)] = torch.tensor(example.labels)
    return {"input_ids": ids, "labels": labels}
