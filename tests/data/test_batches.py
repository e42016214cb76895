from data.batches import collate
from data.encode import IGNORE, Example


def test_collate_rounds_the_length_up() -> None:
    example = Example([5, 6, 0], [IGNORE, 6, 0], 3, 1, False)
    for multiple, length in {1: 3, 3: 3, 4: 4, 16: 16}.items():
        batch = collate([example], pad_id=9, multiple=multiple)
        assert batch["input_ids"].tolist() == [[5, 6, 0] + [9] * (length - 3)]
        assert batch["labels"].tolist() == [[IGNORE, 6, 0] + [IGNORE] * (length - 3)]


def test_collate_pads_by_length_not_by_id() -> None:
    # 0 is EOS, padding and, in the middle of the second row, just a token
    batch = collate(
        [
            Example([5, 6, 0], [IGNORE, 6, 0], 3, 1, False),
            Example([5, 0, 6, 7, 0], [IGNORE, IGNORE, 6, 7, 0], 5, 2, False),
        ],
        pad_id=0,
    )
    assert batch["input_ids"].tolist() == [[5, 6, 0, 0, 0], [5, 0, 6, 7, 0]]
    assert batch["labels"].tolist() == [
        [IGNORE, 6, 0, IGNORE, IGNORE],
        [IGNORE, IGNORE, 6, 7, 0],
    ]
