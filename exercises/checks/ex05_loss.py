"""Exercise 5: the loss of the whole batch, row by row in float64, is the truth."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from data.encode import IGNORE
from exercises.checking import Wrong, compare, expect, kind_of
from exercises.checks.tiny import batch, gradient, tiny_gpt2

Accumulate = Callable[..., Any]
Batches = list[dict[str, Tensor]]


def check(accumulate: Accumulate) -> Iterator[str]:
    """Yield the name of each case, then try it; raise `Wrong` at the first that is wrong."""
    yield "마이크로배치 하나, 한 행"
    try_batches(accumulate, [batch((4, 6))])
    yield "마이크로배치 하나, 길이가 다른 두 행"
    try_batches(accumulate, [batch((3, 2), (2, 12))])
    yield "마이크로배치 둘"
    try_batches(accumulate, [batch((3, 2)), batch((2, 12))])
    yield "마이크로배치 셋, 행의 수도 다르게"
    try_batches(accumulate, [batch((3, 2)), batch((2, 12), (5, 1)), batch((6, 4), (1, 8), (2, 2))])


def try_batches(accumulate: Accumulate, batches: Batches) -> None:
    """Compare the gradient and the returned loss with the truth, and with common mistakes."""
    model = tiny_gpt2()
    before = [p.detach().clone() for p in model.parameters()]
    returned = accumulate(model, [dict(b) for b in batches])
    moved = any(not torch.equal(p, b) for p, b in zip(model.parameters(), before, strict=True))
    expect(not moved, "가중치가 바뀌었습니다. 그래디언트를 쌓기만 하세요")
    got = gradient(model)
    expect(bool(got.any()), "p.grad가 비어 있습니다. 손실에 backward()를 불렀나요?")
    want_loss, want = truth(batches)
    mistakes = {
        f"그래디언트: {text}": gradient_of(wrong, batches) for text, wrong in MISTAKES.items()
    }
    if len(batches) > 1:
        mistakes["그래디언트: 마지막 마이크로배치의 것뿐입니다. 도중에 지우지 마세요"] = (
            want - truth(batches, left_out=-1)[1]
        )
    compare("그래디언트", got, want, mistakes)
    if isinstance(returned, Tensor) and returned.numel() == 1:
        returned = float(returned.detach())
    if not isinstance(returned, int | float):
        raise Wrong(f"그래디언트는 맞습니다. 손실(수 하나)을 돌려주어야 하는데 {kind_of(returned)}")
    expect(
        abs(returned - want_loss) < 1e-4 * want_loss,
        f"그래디언트는 맞습니다. 돌려준 손실은 {want_loss:.4f}여야 하는데 {returned:.4f}입니다",
    )


def truth(batches: Batches, left_out: int | None = None) -> tuple[float, Tensor]:
    """The mean loss per response token of all rows, and its gradient, row by row in float64.

    The micro-batch `left_out` counts in the divisor only.
    """
    model = tiny_gpt2().double()
    total, count = torch.zeros((), dtype=torch.float64), 0
    for b in batches:
        for ids, labels in zip(b["input_ids"], b["labels"], strict=True):
            log_p = model(ids[None]).logits[0].log_softmax(dim=-1)  # (T, V)
            places = [t for t in range(len(ids)) if labels[t] != IGNORE]
            count += len(places)
            if left_out is None or b is not batches[left_out]:
                total = total - sum(log_p[t - 1, labels[t]] for t in places)
    (total / count).backward()
    return float(total.detach()) / count, gradient(model).float()


def parts(model: Any, batches: Batches, shift: int = 1) -> list[tuple[Tensor, int]]:
    """The sum of the losses and the number of response tokens, of each micro-batch."""
    found = []
    for b in batches:
        logits = model(b["input_ids"]).logits
        targets = b["labels"][:, shift:]
        logits = logits[:, : logits.shape[1] - shift].flatten(0, 1)
        loss = F.cross_entropy(logits, targets.flatten(), reduction="sum")
        found.append((loss, int((targets != IGNORE).sum())))
    return found


def gradient_of(loss: Callable[[Any, Batches], Tensor], batches: Batches) -> Tensor:
    """The gradient of a (wrong) loss."""
    model = tiny_gpt2()
    loss(model, batches).backward()
    return gradient(model)


def total(model: Any, batches: Batches) -> Tensor:
    return torch.stack([loss for loss, _ in parts(model, batches)]).sum()


def means(model: Any, batches: Batches, shift: int = 1) -> Tensor:
    return torch.stack([loss / count for loss, count in parts(model, batches, shift)])


def unmasked(batches: Batches) -> Batches:
    """The micro-batches with a loss on every token."""
    return [{"input_ids": b["input_ids"], "labels": b["input_ids"]} for b in batches]


MISTAKES: dict[str, Callable[[Any, Batches], Tensor]] = {
    "로짓과 labels를 한 칸 어긋나게 견주지 않았습니다. 자리 t는 토큰 t + 1을 맞힙니다": (
        lambda model, batches: means(model, batches, shift=0).mean()
    ),
    "로짓과 labels가 어긋나지 않았고, 합을 나누지도 않았습니다": (
        lambda model, batches: torch.stack([p for p, _ in parts(model, batches, shift=0)]).sum()
    ),
    "마이크로배치마다 평균을 내고 그 평균을 다시 평균했습니다. 짧은 응답의 토큰이 더 무거워집니다. "
    "배치 전체의 응답 토큰 수로 나누세요": lambda model, batches: means(model, batches).mean(),
    "마이크로배치마다 평균을 내고 그것을 더했습니다. 배치 전체의 응답 토큰 수로 나누세요": (
        lambda model, batches: means(model, batches).sum()
    ),
    "합을 나누지 않았습니다": total,
    "응답 토큰이 아니라 행의 수로 나누었습니다": (
        lambda model, batches: total(model, batches) / sum(len(b["labels"]) for b in batches)
    ),
    "프롬프트와 채움까지 세어 나누었습니다. -100이 아닌 것만 세세요": (
        lambda model, batches: total(model, batches) / sum(b["labels"].numel() for b in batches)
    ),
    "프롬프트와 채움에도 손실을 주었습니다. 정답은 input_ids가 아니라 labels입니다": (
        lambda model, batches: (
            total(model, unmasked(batches)) / sum(b["labels"][:, 1:].numel() for b in batches)
        )
    ),
}
