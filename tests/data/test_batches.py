from itertools import chain, pairwise

import pytest

from data.batches import collate, split_batch
from data.encode import IGNORE, Example


def test_collate_rounds_the_length_up() -> None:
    example = Example([5, 6, 0], [IGNORE, 6, 0])
    for multiple, length in {1: 3, 3: 3, 4: 4, 16: 16}.items():
        batch = collate([example], pad_id=9, multiple=multiple)
        assert batch["input_ids"].tolist() == [[5, 6, 0] + [9] * (length - 3)]
        assert batch["labels"].tolist() == [[IGNORE, 6, 0] + [IGNORE] * (length - 3)]


def test_collate_pads_by_length_not_by_id() -> None:
    # 0 is EOS, padding and, in the middle of the second row, just a token
    batch = collate(
        [
            Example([5, 6, 0], [IGNORE, 6, 0]),
            Example([5, 0, 6, 7, 0], [IGNORE, IGNORE, 6, 7, 0]),
        ],
        pad_id=0,
    )
    assert batch["input_ids"].tolist() == [[5, 6, 0, 0, 0], [5, 0, 6, 7, 0]]
    assert batch["labels"].tolist() == [
        [IGNORE, 6, 0, IGNORE, IGNORE],
        [IGNORE, IGNORE, 6, 7, 0],
    ]


def examples_of_lengths(*lengths: int) -> list[Example]:
    return [Example([1] * length, [IGNORE] * length) for length in lengths]


@pytest.mark.parametrize("size", [1, 4, 32])
def test_split_by_size_keeps_order(size: int) -> None:
    examples = examples_of_lengths(9, 3, 7, 1, 5, 2, 8, 6, 4, 10)
    micro_batches = split_batch(examples, size, 0)
    assert list(chain(*micro_batches)) == examples
    assert {len(batch) for batch in micro_batches[:-1]} <= {size}
    assert 1 <= len(micro_batches[-1]) <= size


@pytest.mark.parametrize("budget", [1, 64, 300, 10_000])
def test_split_by_tokens_fills_each_micro_batch(budget: int) -> None:
    examples = examples_of_lengths(9, 30, 7, 41, 55, 2, 18, 6, 24, 60, 33, 47, 12, 38, 29, 5)
    micro_batches = split_batch(examples, 1, budget, multiple=4)
    assert sorted(map(id, chain(*micro_batches))) == sorted(map(id, examples))
    for batch in micro_batches:
        rows, length = collate(batch, 0, multiple=4)["input_ids"].shape
        assert rows == 1 or rows * length <= budget
    # Ascending, and each micro-batch is as full as it can be: one more would break the budget.
    lengths = [[len(e.input_ids) + -len(e.input_ids) % 4 for e in batch] for batch in micro_batches]
    assert list(chain(*lengths)) == sorted(chain(*lengths))
    for batch, following in pairwise(lengths):
        assert (len(batch) + 1) * following[0] > budget
