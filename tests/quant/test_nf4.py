"""bitsandbytes on a CPU is the independent truth: its every bit, whatever the size."""

from statistics import NormalDist

import pytest
import torch
from bitsandbytes.functional import (
    QuantState,
    create_dynamic_map,
    dequantize_4bit,
    dequantize_blockwise,
    get_4bit_type,
    quantize_4bit,
    quantize_blockwise,
)
from torch import Tensor

from quant import nf4

SHAPES = [(64,), (1,), (63,), (65,), (5, 7), (3, 10), (2, 3, 5), (33, 100), (96, 64), (768, 2304)]


def make_weight(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    generator = torch.Generator().manual_seed(sum(shape))
    return (0.02 * torch.randn(shape, generator=generator)).to(dtype)


def truth(weight: Tensor, double: bool = False) -> tuple[Tensor, QuantState]:
    return quantize_4bit(weight, blocksize=64, compress_statistics=double, quant_type="nf4")


def test_the_levels_are_quantiles_of_the_normal_distribution() -> None:
    # Eight equal steps of probability on the positive side, seven on the negative one (QLoRA,
    # section 3); 0.9677083 is the outermost probability that bitsandbytes chose.
    assert torch.equal(nf4.LEVELS, get_4bit_type("nf4", device="cpu"))
    quantile = NormalDist().inv_cdf
    positive = [quantile(p) for p in torch.linspace(0.9677083, 0.5, 9).tolist()[:-1]]
    negative = [-quantile(p) for p in torch.linspace(0.9677083, 0.5, 8).tolist()[:-1]]
    levels = torch.tensor([*negative, 0.0, *positive[::-1]]) / positive[0]
    torch.testing.assert_close(nf4.LEVELS, levels, rtol=0, atol=1e-7)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_bit_is_that_of_bitsandbytes(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    weight = make_weight(shape, dtype)
    packed, state = truth(weight)
    ours, absmax = nf4.quantize(weight)
    assert torch.equal(ours, packed.flatten()) and torch.equal(absmax, state.absmax)
    # For a single dimension bitsandbytes returns a row.
    theirs = dequantize_4bit(packed, state).view(shape)
    assert torch.equal(nf4.dequantize(ours, absmax, weight.shape).to(dtype), theirs)


def test_a_block_of_zeros_stays_zero() -> None:
    weight = make_weight((4, 64), torch.float32)
    weight[1] = 0
    packed, absmax = nf4.quantize(weight)
    assert torch.equal(packed, truth(weight)[0].flatten())
    assert not nf4.dequantize(packed, absmax, weight.shape)[1].any()


def test_the_error_is_that_of_the_paper() -> None:
    weight = make_weight((512, 512), torch.float32)
    error = (nf4.dequantize(*nf4.quantize(weight), weight.shape) - weight).norm() / weight.norm()
    assert 0.09 < error < 0.1  # two scales of normal weights differ by much less than this


@pytest.mark.parametrize("shape", [(64, 100), (128, 128), (257, 64), (768, 2304)], ids=str)
def test_double_quantisation_is_that_of_bitsandbytes(shape: tuple[int, ...]) -> None:
    weight = make_weight(shape, torch.float32)
    packed, state = truth(weight, double=True)
    ours, absmax = nf4.quantize(weight)
    codes, outer_absmax, mean = nf4.quantize_scales(absmax)
    assert torch.equal(codes, state.absmax) and torch.equal(mean, state.offset)
    assert torch.equal(outer_absmax, state.state2.absmax)
    scales = nf4.dequantize_scales(codes, outer_absmax, mean)
    theirs = dequantize_4bit(packed, state)
    assert torch.equal(nf4.dequantize(ours, scales, weight.shape), theirs)


def test_the_8_bit_levels_are_those_of_bitsandbytes() -> None:
    assert torch.equal(nf4.dynamic_levels(), create_dynamic_map())
    values = torch.rand(2**16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    codes, state = quantize_blockwise(values, blocksize=256)
    ours, absmax = nf4.to_codes(values, nf4.dynamic_levels(), block=256)
    assert torch.equal(ours, codes) and torch.equal(absmax, state.absmax)
    levels = nf4.from_codes(ours, absmax, nf4.dynamic_levels(), block=256)
    assert torch.equal(levels, dequantize_blockwise(codes, state))
