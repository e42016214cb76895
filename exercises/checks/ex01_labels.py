"""Exercise 1: the repository's `collate`, which masks by length, is the truth."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from data.batches import collate
from data.encode import IGNORE, Example
from exercises.checking import compare, expect, unpack

EOS = 3
Rows = list[list[int]]


def check(make_batch: Callable[..., Any]) -> Iterator[str]:
    """Yield the name of each case, then try it; raise `Wrong` at the first that is wrong."""
    yield "한 행"
    try_batch(make_batch, [[5, 6, 7]], [[8, 9]])
    yield "길이가 같은 두 행"
    try_batch(make_batch, [[5, 6, 7], [10, 11]], [[8, 9], [12, 13, 14]])
    yield "길이가 다른 두 행"
    try_batch(make_batch, [[5], [10, 11, 12]], [[8, 9], [13, 14, 15, 16]])
    yield "프롬프트에 EOS와 번호가 같은 토큰이 있는 행"
    try_batch(make_batch, [[5, EOS, 7], [EOS]], [[8], [9, 10]])


def try_batch(make_batch: Callable[..., Any], prompts: Rows, summaries: Rows) -> None:
    """Compare `make_batch` with the truth on one batch."""
    ids, labels = padded(prompts, summaries, [EOS])
    got_ids, got_labels = unpack(("input_ids", "labels"), make_batch(prompts, summaries, EOS))
    without_eos = padded(prompts, summaries, [])[0]
    compare("input_ids", got_ids, ids, {
        "input_ids: 요약 뒤에 EOS가 없습니다. 모델은 멈추는 법을 배우지 못합니다": without_eos,
        "input_ids: 채움이 EOS가 아니라 0입니다": padded(prompts, summaries, [EOS], 0)[0],
        "input_ids: 왼쪽을 채웠습니다. 학습에서는 오른쪽을 채웁니다": to_the_right(ids, labels),
    })  # fmt: skip
    compare("labels", got_labels, labels, label_mistakes(ids, labels, prompts))
    expect(got_labels is not got_ids, "labels와 input_ids가 같은 텐서입니다")


def padded(prompts: Rows, summaries: Rows, end: list[int], pad: int = EOS) -> tuple[Tensor, Tensor]:
    """The batch whose summaries end in `end`."""
    rows = [(p, s + end) for p, s in zip(prompts, summaries, strict=True)]
    batch = collate([Example(p + s, [IGNORE] * len(p) + s) for p, s in rows], pad_id=pad)
    return batch["input_ids"], batch["labels"]


def to_the_right(ids: Tensor, labels: Tensor) -> Tensor:
    """`ids` with the padding on the left instead."""
    last = (labels != IGNORE).long() * torch.arange(ids.shape[1])  # (B, T)
    shifts = ids.shape[1] - 1 - last.amax(dim=1)
    pairs = zip(ids, shifts.tolist(), strict=True)
    return torch.stack([row.roll(shift) for row, shift in pairs])


def label_mistakes(ids: Tensor, labels: Tensor, prompts: Rows) -> dict[str, Tensor]:
    """The labels that common mistakes give, by their diagnoses."""
    column = torch.arange(ids.shape[1])  # (T,)
    lengths = torch.tensor([[len(prompt)] for prompt in prompts])  # (B, 1)
    response = labels != IGNORE
    ahead = torch.cat([labels[:, 1:], torch.full_like(labels[:, :1], IGNORE)], dim=1)
    return {
        "labels: EOS와 번호가 같은 자리를 모두 가려 요약 끝의 EOS까지 가려졌습니다. "
        "번호가 아니라 길이로 가리세요": labels.masked_fill(ids == EOS, IGNORE),
        "labels: 번호가 EOS인 자리만 가렸습니다. 프롬프트를 가리고 요약 끝의 EOS는 남겨야 "
        "합니다": ids.masked_fill(ids == EOS, IGNORE),
        "labels: 아무것도 가리지 않았습니다. 프롬프트와 채움은 -100입니다": ids,
        "labels: 프롬프트를 가리지 않았습니다": torch.where(
            response | (column < lengths), ids, IGNORE
        ),
        "labels: 채움을 가리지 않았습니다": torch.where(column < lengths, IGNORE, ids),
        "labels: 한 칸 밀었습니다. 미는 것은 손실을 재는 쪽의 일이라 두 번 밀립니다": ahead,
        "labels: 가린 자리가 -100이 아니라 0입니다. 0은 진짜 토큰의 번호입니다": labels.masked_fill(
            ~response, 0
        ),
        "labels: 가린 자리가 -100이 아니라 EOS입니다. 그러면 EOS를 배웁니다": labels.masked_fill(
            ~response, EOS
        ),
        "labels: 한 토큰을 더 가렸습니다. 요약의 첫 토큰도 배워야 합니다": labels.masked_fill(
            column == lengths, IGNORE
        ),
        "labels: 한 토큰을 덜 가렸습니다. 프롬프트의 마지막 토큰이 남았습니다": torch.where(
            column == lengths - 1, ids, labels
        ),
    }
