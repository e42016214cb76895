"""Exercise 8: causal attention over the whole text at once, by PyTorch, is the truth."""

from collections.abc import Callable, Iterator
from itertools import permutations
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import GPT2Config
from transformers.models.gpt2.modeling_gpt2 import GPT2Attention

from exercises.checking import compare, expect
from infer.cache import PreallocatedLayer

Attend = Callable[..., Any]
HEADS, SIZE = 3, 4
WIDTH = HEADS * SIZE


def check(attend: Attend) -> Iterator[str]:
    """Yield the name of each case, then try it; raise `Wrong` at the first that is wrong."""
    yield "한 행, 첫 토큰"
    try_text(attend, rows=1, length=1)
    yield "한 행, 토큰 다섯을 차례로"
    try_text(attend, rows=1, length=5)
    yield "두 행"
    try_text(attend, rows=2, length=5)
    yield "두 행, 한 행의 왼쪽에 채움"
    try_text(attend, rows=2, length=6, padding=2)


def make_attention() -> GPT2Attention:
    """An attention layer whose weights are so large that it does choose among tokens."""
    torch.manual_seed(0)
    attn = GPT2Attention(GPT2Config(n_embd=WIDTH, n_head=HEADS, n_layer=1), layer_idx=0).eval()
    torch.nn.init.normal_(attn.c_attn.weight, std=0.7)
    torch.nn.init.normal_(attn.c_proj.weight)
    torch.nn.init.normal_(attn.c_attn.bias)
    return attn.requires_grad_(False)


def try_text(attend: Attend, rows: int, length: int, padding: int = 0) -> None:
    """Feed the tokens of a text one by one, and compare each output with that of the whole text.

    The first row begins with so many tokens of padding.
    """
    attn, cache = make_attention(), PreallocatedLayer(length)
    x = torch.randn(rows, length, WIDTH)
    real = torch.ones(rows, length, dtype=torch.bool)
    real[0, :padding] = False
    q, k, v = heads(attn, x)
    for t in range(length):
        visible = real[:, : t + 1] if padding else None
        got = attend(attn, x[:, t].clone(), cache, visible)
        known = cache.get_seq_length() if cache.is_initialized else 0
        expect(
            known == t + 1,
            f"토큰 {t + 1}개를 주었는데 캐시에는 {known}개입니다. "
            "cache.update를 토큰마다 한 번 부르세요",
        )
        if t < padding:
            continue  # all that a padded row could see is padding
        past = tuple(part[:, :, : t + 1] for part in (q, k, v))
        mask = real[:, None, None, : t + 1]
        mistakes = {f"출력: {text}": out for text, out in wrong(attn, past, mask).items()}
        compare("출력", got, output(attn, past, mask), mistakes)


def heads(attn: GPT2Attention, x: Tensor) -> tuple[Tensor, ...]:
    """q, k and v of a text (B, T, C), each (B, heads, T, head_dim)."""
    parts = attn.c_attn(x).split(WIDTH, dim=-1)
    return tuple(p.view(*p.shape[:2], HEADS, SIZE).transpose(1, 2) for p in parts)


def output(
    attn: GPT2Attention, past: tuple[Tensor, ...], mask: Tensor, scale: float = SIZE**-0.5
) -> Tensor:
    """The output (B, C) for the last token of `past`: q, k and v up to there."""
    q, k, v = past
    h = F.scaled_dot_product_attention(q[:, :, -1:], k, v, attn_mask=mask, scale=scale)
    return attn.c_proj(h.reshape(len(q), WIDTH))


def wrong(
    attn: GPT2Attention, past: tuple[Tensor, ...], mask: Tensor
) -> dict[str, Tensor | list[Tensor]]:
    """The outputs that common mistakes give, by their diagnoses."""
    q, k, v = past
    everything = torch.ones_like(mask)
    h = F.scaled_dot_product_attention(q[:, :, -1:], k, v, attn_mask=mask)
    first = torch.zeros_like(mask)
    first[..., 0] = True
    last = torch.zeros_like(mask)
    last[..., -1] = True
    scores = (q[:, :, -1:] @ k.mT * SIZE**-0.5).masked_fill(~mask, float("-inf"))
    return {
        "첫 토큰만 봤습니다. is_causal=True는 쿼리가 하나이면 첫 자리만 남깁니다": (
            output(attn, past, first)
        ),
        "새 토큰 자신만 봤습니다. cache.update가 돌려주는 keys, values를 쓰세요": (
            output(attn, past, last)
        ),
        "채움까지 봤습니다. visible이 False인 자리를 가리세요": output(attn, past, everything),
        "visible을 거꾸로 썼습니다. True인 자리를 봅니다": output(attn, past, ~mask),
        "점수를 √head_dim으로 나누지 않았습니다": output(attn, past, mask, scale=1.0),
        "head_dim이 아니라 C의 제곱근으로 나누었습니다": output(attn, past, mask, WIDTH**-0.5),
        "√head_dim이 아니라 head_dim으로 나누었습니다": output(attn, past, mask, 1 / SIZE),
        "attn.c_proj를 지나지 않았습니다": h.reshape(len(q), WIDTH),
        "q, k, v의 순서가 다릅니다. c_attn은 q, k, v의 순서로 냅니다": (
            [output(attn, order, mask) for order in permutations(past)]
        ),
        "softmax를 하지 않았습니다": (
            attn.c_proj((scores.masked_fill(~mask, 0) @ v).reshape(len(q), WIDTH))
        ),
        "softmax의 축이 틀렸습니다. 토큰(마지막 축)에 대해 합이 1이어야 합니다": (
            attn.c_proj((scores.softmax(dim=1) @ v).reshape(len(q), WIDTH))
        ),
    }
