"""What lesson 4 claims, proved by `make verify LESSON=quant`."""

import tempfile
from pathlib import Path

import torch
from bitsandbytes.functional import quantize_4bit
from torch import Tensor, nn

from common.claims import Proof, claim
from lora.claims import small_gpt2
from lora.layer import is_linear
from model.base import EMBEDDED, load_base
from quant import nf4
from quant.build import quantize, relative_error, size_in_mb
from quant.swap import EightBit, FourBit, swap_modules

CPU = torch.device("cpu")
EVEN = torch.linspace(-1, 1, 16)  # sixteen levels at equal distances


def normal_matrix() -> Tensor:
    torch.manual_seed(0)
    return 0.02 * torch.randn(512, 512)


def restored(weight: Tensor) -> Tensor:
    """What is left of a weight in NF4."""
    return nf4.dequantize(*nf4.quantize(weight), weight.shape)


def bits(stored: Tensor) -> int:
    return 8 * stored.numel() * stored.element_size()


@claim("정규분포 행렬의 NF4 오차는 9.2%다. 간격이 고르면 더 크다")
def nf4_error_of_a_normal_matrix() -> Proof:
    weight = normal_matrix()
    codes, absmax = nf4.to_codes(weight, EVEN, block=64)
    even = nf4.from_codes(codes, absmax, EVEN, block=64).view(weight.shape)
    ours, wrong = (100 * relative_error(w, weight) for w in (restored(weight), even))
    return Proof({"오차(%): NF4": ours, "고른 간격": wrong}, abs(ours - 9.2) < 0.1 and ours < wrong)


@claim("NF4의 열여섯 값은 더 고루 쓰여, 4비트에 더 많은 정보를 담는다")
def nf4_levels_are_used_evenly() -> Proof:
    def information(levels: Tensor) -> float:
        codes, _ = nf4.to_codes(normal_matrix(), levels, block=64)
        share = codes.bincount() / codes.numel()
        return float(-(share * share.clamp(min=1e-9).log2()).sum())

    ours, even = information(nf4.LEVELS), information(EVEN)
    return Proof({"정보(비트): NF4": ours, "고른 간격": even}, even < 3.7 < 3.8 < ours < 4)


@claim("손으로 쓴 NF4는 bitsandbytes와 비트까지 같다")
def equals_bitsandbytes() -> Proof:
    weight = normal_matrix()
    ours, _ = nf4.quantize(weight)
    theirs, _ = quantize_4bit(weight, blocksize=64, quant_type="nf4")
    different = int((ours != theirs.flatten()).sum())
    return Proof({"다른 바이트": different, "모든 바이트": len(ours)}, different == 0)


@claim("가중치 하나에 4.5비트, 배율까지 양자화하면 4.127비트다")
def bits_of_a_weight() -> Proof:
    weight = normal_matrix()
    packed, absmax = nf4.quantize(weight)
    scales, outer_absmax, _ = nf4.quantize_scales(absmax)
    once = (bits(packed) + bits(absmax)) / weight.numel()
    twice = (bits(packed) + bits(scales) + bits(outer_absmax)) / weight.numel()
    numbers = {"비트: 배율 fp32": once, "배율 8비트": twice}
    return Proof(numbers, once == 4.5 and round(twice, 3) == 4.127)


@claim("튀는 값 하나는 제 블록 64개만 망친다")
def an_outlier_spoils_its_block() -> Proof:
    weight = normal_matrix()
    spoilt = weight.clone()
    spoilt[0, 0] = 100 * weight.abs().max()
    changed = int((restored(weight) != restored(spoilt)).sum())
    return Proof({"달라진 가중치": changed, "모든 가중치": weight.numel()}, 1 < changed <= 64)


@claim("0은 정확히 0으로 남는다")
def zero_stays_zero() -> Proof:
    weight = normal_matrix()
    weight[:, ::2] = 0
    zeros, kept = (int((w[:, ::2] == 0).sum()) for w in (weight, restored(weight)))
    return Proof({"0이던 가중치": zeros, "0인 채로": kept}, zeros == kept)


@claim("8비트의 오차는 1%가 안 된다")
def eight_bits_err_less() -> Proof:
    weight, errors = normal_matrix().half(), []
    for scheme in (EightBit(), FourBit()):
        layer = scheme.wrap(weight.clone(), bias=False).to(CPU)
        errors.append(100 * relative_error(scheme.dequantize(layer.weight), weight.float()))
    return Proof({"오차(%): 8비트": errors[0], "4비트": errors[1]}, errors[0] < 1 < 9 < errors[1])


@claim("출력층은 임베딩과 같은 텐서라 바꾸지 않는다")
def the_head_is_not_swapped() -> Proof:
    model = small_gpt2()
    linear = sum(map(is_linear, model.modules()))
    swapped = len(swap_modules(model, FourBit()))
    tied = type(model.lm_head) is nn.Linear and model.lm_head.weight is model.transformer.wte.weight
    return Proof({"바꾼 층": swapped, "선형층": linear}, tied and swapped == linear - 1)


@claim("내장 베이스의 4비트 파일은 fp16 파일의 절반이 안 된다")
def the_file_is_half_as_large() -> Proof:
    base = load_base(EMBEDDED.name, torch.float16)
    half = sum(bits(p) for p in base.model.parameters()) / 8e6
    with tempfile.TemporaryDirectory() as folder:
        quantize(base, FourBit(), CPU, Path(folder) / "4bit")
        four = size_in_mb(Path(folder) / "4bit")
    return Proof({"MB: 4비트": four, "fp16": half}, four < half / 2)
