"""Exercise 2: equation 3 of the LoRA paper in float64 is the truth."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from exercises.checking import compare
from lora.layer import LoRALinear

Forward = Callable[[LoRALinear, Tensor], Any]


def check(forward: Forward) -> Iterator[str]:
    """Yield the name of each case, then try it; raise `Wrong` at the first that is wrong."""
    yield "nn.Linear, 한 행"
    try_equation(forward, nn.Linear(5, 7), (1, 5))
    yield "x가 (2, 4, in)"
    try_equation(forward, nn.Linear(5, 7), (2, 4, 5))
    yield "GPT-2의 Conv1D"
    try_equation(forward, Conv1D(7, 5), (2, 5))
    yield "드롭아웃은 A로 가는 x에만"
    try_dropout(forward)
    yield "enabled가 False이면 베이스"
    layer, x = learnt(nn.Linear(5, 7)), torch.randn(2, 5)
    layer.enabled = False
    mistakes = {"enabled가 False인데도 LoRA를 더했습니다": layer.base(x) + update(layer, x)}
    compare("출력", forward(layer, x), layer.base(x), mistakes)
    yield "베이스와 x가 bf16"
    layer = learnt(nn.Linear(5, 7).bfloat16())
    x = x.bfloat16()
    low = update(layer, x.float()).bfloat16()
    compare("출력", forward(layer, x), layer.base(x) + low)


def learnt(base: nn.Module, dropout: float = 0.0) -> LoRALinear:
    """A layer whose B is not zero. Its scaling is 2, and rank, alpha and 1 are something else."""
    torch.manual_seed(0)
    layer = LoRALinear(base, rank=3, alpha=6.0, dropout=dropout).requires_grad_(False)
    nn.init.normal_(layer.lora_B)
    return layer.eval()


def update(layer: LoRALinear, x: Tensor) -> Tensor:
    """What the layer adds to its base, in float64 rounded to the dtype of x."""
    a, b = layer.lora_A.double(), layer.lora_B.double()
    return (layer.scaling * x.double() @ (b @ a).T).to(x.dtype)


def try_equation(forward: Forward, base: nn.Module, shape: tuple[int, ...]) -> None:
    """Compare `forward` with the equation, for an x of a shape."""
    layer = learnt(base)
    x = torch.randn(shape)
    h, low = layer.base(x), update(layer, x)
    s = layer.scaling
    compare("출력", forward(layer, x), h + low, {
        "출력: alpha / rank(layer.scaling)를 곱하지 않았습니다": h + low / s,
        "출력: scaling을 두 번 곱했습니다": h + low * s,
        "출력: scaling으로 나누었습니다": h + low / s / s,
        "출력: scaling을 베이스의 값에도 곱했습니다. B·A에만 곱합니다": s * h + low,
        "출력: 베이스의 값뿐입니다. B·A·x를 더하세요": h,
        "출력: B·A·x뿐입니다. layer.base(x)에 더하세요": low,
    })  # fmt: skip


def try_dropout(forward: Forward) -> None:
    """Dropout at a rate of nearly 1 leaves the base alone."""
    layer = learnt(nn.Linear(5, 7), dropout=0.999999).train()
    x = torch.randn(2, 5)
    h, low = layer.base(x), update(layer, x)
    bias = layer.base(torch.zeros_like(x))
    compare("출력", forward(layer, x), h, {
        "출력: layer.dropout을 쓰지 않았습니다": h + low,
        "출력: 베이스로 가는 x에도 드롭아웃을 주었습니다. A로 가는 x에만 줍니다": bias,
        "출력: 베이스로 가는 x에만 드롭아웃을 주었습니다. 거꾸로입니다": bias + low,
        "출력: 더한 뒤의 값에 드롭아웃을 주었습니다. A로 가는 x에 줍니다": torch.zeros_like(h),
    })  # fmt: skip
