"""NormalFloat4 in plain PyTorch: what bitsandbytes does to a weight, written out for reading.

    64 weights ── absmax ── weight / absmax, in [-1, 1] ── nearest of 16 levels ── 4 bits each

QLoRA, Dettmers et al. 2023, section 3, https://arxiv.org/abs/2305.14314. Production code does not
use this file; tests/quant/test_nf4.py compares it with bitsandbytes, bit for bit.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

# Quantiles of the normal distribution, divided by the largest (appendix E of the paper): weights
# are nearly normal, so every level is used about equally often. Zero is a level, exactly.
LEVELS = torch.tensor(
    [-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
     -0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725,
     0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941,
     0.7229568362236023, 1.0]
)  # fmt: skip


def quantize(weight: Tensor) -> tuple[Tensor, Tensor]:
    """n weights to packed codes, (ceil(n / 2),) uint8, and absmax, (ceil(n / 64),) fp32."""
    codes, absmax = to_codes(weight.float(), LEVELS, block=64)
    codes = codes[: weight.numel() + weight.numel() % 2]
    return (codes[::2] << 4) | codes[1::2], absmax  # two codes per byte, the first in the high bits


def dequantize(packed: Tensor, absmax: Tensor, shape: torch.Size) -> Tensor:
    """The values that quantised weights stand for, in fp32."""
    codes = torch.stack([packed >> 4, packed & 15], dim=1).flatten()
    return from_codes(codes, absmax, LEVELS, block=64)[: shape.numel()].view(shape)


def quantize_scales(absmax: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Double quantisation: n scales to codes, (n,) uint8, their absmax and their mean.

    A scale then takes 8 bits instead of 32. The mean is subtracted first, since scales are positive
    while the levels lie on both sides of zero.
    """
    codes, outer_absmax = to_codes(absmax - absmax.mean(), dynamic_levels(), block=256)
    return codes[: len(absmax)], outer_absmax, absmax.mean()


def dequantize_scales(codes: Tensor, outer_absmax: Tensor, mean: Tensor) -> Tensor:
    """The scales that the codes stand for, in fp32."""
    return from_codes(codes, outer_absmax, dynamic_levels(), block=256) + mean


def dynamic_levels() -> Tensor:
    """256 levels, twice as many in each decade up to 1 (https://arxiv.org/abs/1511.04561)."""
    levels = [torch.tensor([0.0, 1.0])]
    for decade in range(7):
        edges = torch.linspace(0.1, 1, 2**decade + 1)
        middles = 10.0 ** (decade - 6) * ((edges[1:] + edges[:-1]) / 2)
        levels += [middles, -middles]
    return torch.cat(levels).sort().values


def to_codes(values: Tensor, levels: Tensor, block: int) -> tuple[Tensor, Tensor]:
    """Divide each block by its absmax; a code is the index of the nearest level."""
    blocks = F.pad(values.flatten(), (0, -values.numel() % block)).view(-1, block)
    absmax = blocks.abs().amax(dim=1)  # (blocks,)
    scaled = blocks * (1 / absmax.clamp(min=1e-38))[:, None]  # (blocks, block)
    if len(levels) == 256:  # on a CPU bitsandbytes looks these up in a table of 65,536 values
        scaled = torch.floor((scaled + 1) * 32767.5 + 0.5) / 32767.5 - 1
    codes = torch.bucketize(scaled, (levels[1:] + levels[:-1]) / 2)
    return codes.flatten().to(torch.uint8), absmax


def from_codes(codes: Tensor, absmax: Tensor, levels: Tensor, block: int) -> Tensor:
    """The inverse of `to_codes`, except that each value is now a level: (n,) to (n,)."""
    return levels[codes.long()] * absmax.repeat_interleave(block)[: len(codes)]
