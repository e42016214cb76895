"""Exercise 7: bitsandbytes on a CPU is the truth, byte for byte."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from bitsandbytes.functional import quantize_4bit
from torch import Tensor

from exercises.checking import compare, expect, unpack
from quant.nf4 import LEVELS

Quantize = Callable[[Tensor], Any]


def check(quantize: Quantize) -> Iterator[str]:
    """Yield the name of each case, then try it; raise `Wrong` at the first that is wrong."""
    yield "블록 하나 (64개)"
    try_weight(quantize, normal(64))
    yield "블록 둘, 크기가 다른 배율"
    try_weight(quantize, torch.cat([normal(64), 0.05 * normal(64)]))
    yield "행렬 (6, 32): 블록은 행과 상관없다"
    try_weight(quantize, normal(6, 32) * torch.tensor([1.0, 0.2, 3, 0.5, 1, 0.1])[:, None])
    yield "64로 나누어떨어지지 않는 (3, 30)"
    try_weight(quantize, normal(3, 30))
    yield "홀수 개 (5, 7)"
    try_weight(quantize, normal(5, 7))
    yield "모두 0인 블록"
    try_weight(quantize, torch.cat([normal(64), torch.zeros(64)]))
    yield "fp16 가중치"
    try_weight(quantize, normal(4, 64).half())


def normal(*shape: int) -> Tensor:
    """Normal weights whose largest absolute value is negative, the same for a shape every time."""
    weight = 0.02 * torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))
    return weight * -weight.flatten()[weight.abs().argmax()].sign()


def try_weight(quantize: Quantize, weight: Tensor) -> None:
    """Compare the packed codes and the scales of a weight with bitsandbytes'."""
    packed, state = quantize_4bit(weight, blocksize=64, quant_type="nf4")
    packed = packed.flatten()
    got, got_absmax = unpack(("packed", "absmax"), quantize(weight.clone()))
    values = weight.float().flatten()
    blocks = F.pad(values, (0, -len(values) % 64)).view(-1, 64)
    compare("absmax", got_absmax, state.absmax, {
        "absmax: 절댓값이 아니라 값의 최대입니다. 가장 큰 절댓값이 음수일 수 있습니다": (
            blocks.amax(dim=1)
        ),
        "absmax: 가중치 전체의 최대 하나입니다. 64개마다 하나씩 구하세요": (
            [values.abs().max().expand(n) for n in (1, len(blocks))] + [values.abs().max()]
        ),
        "absmax: 모양이 (블록의 수,)여야 하는데 축이 하나 더 있습니다": state.absmax[:, None],
        "absmax: 행마다 구했습니다. 가중치를 한 줄로 펴서 64개씩 나누세요": (
            weight.float().reshape(len(weight), -1).abs().amax(dim=1)
        ),
    })  # fmt: skip
    expect(
        not (isinstance(got, Tensor) and got.is_floating_point() and got.isnan().any()),
        "packed: nan이 있습니다",
    )
    compare("packed", got, packed, code_mistakes(blocks, state.absmax, packed))


def code_mistakes(blocks: Tensor, absmax: Tensor, packed: Tensor) -> dict[str, Tensor]:
    """The bytes that common mistakes give, by their diagnoses."""
    scaled = (blocks / absmax.clamp(min=1e-38)[:, None]).flatten()
    codes = torch.stack([packed >> 4, packed & 15], dim=1).flatten()
    below = torch.bucketize(scaled, LEVELS, right=True) - 1
    above = torch.bucketize(scaled, LEVELS)
    even = ((scaled + 1) * 7.5).round()
    raw = (blocks.flatten()[:, None] - LEVELS).abs().argmin(dim=1)
    zeros = codes.masked_fill((absmax == 0).repeat_interleave(64)[: len(codes)], 0)
    order = (
        "packed: 한 바이트 안의 순서가 거꾸로입니다. 앞의 번호가 높은 4비트입니다: (앞 << 4) | 뒤"
    )
    return {
        order: codes[1::2] << 4 | codes[::2],
        "packed: 번호를 두 개씩 한 바이트에 묶지 않았습니다": codes,
        "packed: 앞 절반과 뒤 절반을 묶었습니다. 이웃한 둘([::2], [1::2])을 묶으세요": (
            codes[: len(packed)] << 4 | codes[len(packed) :]
        ),
        "packed: 가장 가까운 값이 아니라 바로 아래의 값을 골랐습니다": pack(below, len(packed)),
        "packed: 가장 가까운 값이 아니라 바로 위의 값을 골랐습니다": pack(above, len(packed)),
        "packed: 간격이 고른 16개 값을 썼습니다. LEVELS에서 고르세요": pack(even, len(packed)),
        "packed: absmax로 나누지 않고 골랐습니다": pack(raw, len(packed)),
        "packed: 채운 0까지 돌려주었습니다. 앞의 ceil(n / 2)바이트만 돌려주세요": (
            F.pad(packed, (0, blocks.numel() // 2 - len(packed)), value=0x77)
        ),
        "packed: 모두 0인 블록의 번호는 7입니다(LEVELS[7]이 0). 0으로 나누어 nan이 된 듯합니다": (
            pack(zeros, len(packed))
        ),
    }  # fmt: skip


def pack(codes: Tensor, count: int) -> Tensor:
    """The first `count` bytes of codes."""
    codes = codes.to(torch.uint8)
    return (codes[::2] << 4 | codes[1::2])[:count]
