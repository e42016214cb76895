"""Exercise 9: transformers' own filter is the truth."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers.generation.logits_process import TopPLogitsWarper

from exercises.checking import Wrong, compare, expect, kind_of

Filter = Callable[[Tensor, float], Any]
OUTSIDE = float("-inf")


def check(keep_nucleus: Filter) -> Iterator[str]:
    """Yield the name of each case, then try it; raise `Wrong` at the first that is wrong."""
    yield "한 행, 큰 것부터 놓인 로짓"
    try_filter(keep_nucleus, [[0.5, 0.25, 0.15, 0.1]], 0.7)
    yield "한 행, 섞인 로짓"
    try_filter(keep_nucleus, [[0.1, 0.5, 0.15, 0.25]], 0.7)
    yield "두 행"
    try_filter(keep_nucleus, [[0.1, 0.5, 0.15, 0.25], [0.28, 0.22, 0.26, 0.24]], 0.7)
    yield "top_p가 작아도 하나는 남는다"
    try_filter(keep_nucleus, [[0.1, 0.5, 0.15, 0.25], [0.28, 0.22, 0.26, 0.24]], 0.01)
    yield "top_p가 1이면 모두 남는다"
    try_filter(keep_nucleus, [[0.1, 0.5, 0.15, 0.25]], 1.0)
    yield "어휘가 1,000개인 세 행"
    logits = 3 * torch.randn(3, 1000, generator=torch.Generator().manual_seed(0))
    try_logits(keep_nucleus, logits, 0.9)
    yield "이미 -inf인 로짓이 있는 행"
    logits[:, ::2] = OUTSIDE
    try_logits(keep_nucleus, logits, 0.9)
    yield "확률 .5, .3, .1, .1과 top_p 0.8: 둘이 남는다"
    try_filter(keep_nucleus, [[0.3, 0.1, 0.1, 0.5]], 0.8)


def try_filter(keep_nucleus: Filter, probabilities: list[list[float]], top_p: float) -> None:
    """Try logits of these probabilities. Their logs are shifted, which changes no probability."""
    try_logits(keep_nucleus, torch.tensor(probabilities).log() + 1.0, top_p)


def try_logits(keep_nucleus: Filter, logits: Tensor, top_p: float) -> None:
    """Compare the filtered logits with those of transformers."""
    given = logits.clone()
    got = keep_nucleus(given, top_p)
    if not isinstance(got, Tensor):
        raise Wrong(f"로짓을 돌려주어야 하는데 {kind_of(got)}")
    warp = TopPLogitsWarper(top_p) if top_p < 1 else lambda _, scores: scores
    want = warp(None, logits.clone())
    compare("로짓", got, want, mistakes(logits, want, top_p))
    expect(
        torch.equal(given, logits), "받은 logits을 고쳤습니다. masked_fill처럼 새 텐서를 만드세요"
    )


def mistakes(logits: Tensor, want: Tensor, top_p: float) -> dict[str, Tensor | list[Tensor]]:
    """The logits that common mistakes give, by their diagnoses."""
    ordered, order = logits.sort(dim=-1, descending=True)
    p = ordered.softmax(dim=-1)
    reached = p.cumsum(dim=-1)

    def drop(outside: Tensor) -> Tensor:
        return logits.masked_fill(outside.scatter(1, order, outside), OUTSIDE)

    everything = drop(reached > top_p)
    likeliest = logits == logits.amax(dim=-1, keepdim=True)
    at_least_one = torch.where(likeliest, logits, everything)
    passed = F.pad(reached > top_p, (1, 0))[:, :-1]  # the sum before a token is beyond top_p
    extra = F.pad(reached >= top_p, (2, 0))[:, :-2]
    kept, q = want > OUTSIDE, logits.softmax(dim=-1)
    exact = (
        "합이 top_p에 꼭 이르렀는데 하나를 더 남겼습니다. float에서는 큰 것부터 더한 합이 조금 "
        "못 미칠 수 있으니, 작은 것부터 더해 1 - top_p와 견주세요"
    )
    return {
        "합이 top_p에 이르게 하는 토큰까지 남겨야 하는데 그것을 버렸습니다": [
            everything, at_least_one,
        ],
        "정렬한 순서의 자리에 -inf를 넣었습니다. scatter로 원래의 자리에 되돌리세요": (
            logits.masked_fill(passed, OUTSIDE)
        ),
        "정렬한 로짓을 돌려주었습니다. 원래의 자리에 되돌리세요": want.gather(1, order),
        "정렬하지 않고 더했습니다. 확률이 큰 것부터 더하세요": (
            logits.masked_fill(q.cumsum(dim=-1) - q >= top_p, OUTSIDE)
        ),
        exact: [drop(reached - p >= top_p), drop(passed)],
        "이미 이르렀는데 토큰 하나를 더 남겼습니다": drop(extra),
        "로짓이 아니라 확률을 돌려주었습니다": [
            q, want.softmax(dim=-1), q.masked_fill(~kept, 0.0), q.masked_fill(~kept, OUTSIDE),
        ],
        "버린 자리가 -inf가 아니라 0입니다. 0은 로짓으로는 그럴듯한 값입니다": (
            torch.where(kept, want, 0.0)
        ),
        "모두 -inf입니다. 가장 그럴듯한 토큰은 언제나 남깁니다": torch.full_like(want, OUTSIDE),
        "아무것도 버리지 않았습니다": logits,
        "softmax를 하지 않은 로짓을 더했습니다. 합이 1이 되는 것은 확률입니다": (
            drop(ordered.cumsum(dim=-1) - ordered >= top_p)
        ),
    }  # fmt: skip
