"""Exercise 4: the merged weight in float64 is the truth."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from exercises.checking import compare, expect
from lora.layer import LoRALinear

Merge = Callable[[nn.Module], Any]


def check(merge_lora: Merge) -> Iterator[str]:
    """Yield the name of each case, then try it; raise `Wrong` at the first that is wrong."""
    yield "nn.Linear"
    try_merge(merge_lora, nn.Linear(5, 7))
    yield "정사각형 Conv1D"
    try_merge(merge_lora, Conv1D(6, 6))
    yield "Conv1D (in 5, out 7)"
    try_merge(merge_lora, Conv1D(7, 5))
    yield "두 층을 한 번에"
    model = nn.Sequential(learnt(nn.Linear(5, 5)), nn.ReLU(), learnt(Conv1D(7, 5)))
    x = torch.randn(3, 5)
    before = model(x)
    merge_lora(model)
    compare("병합한 모델의 출력", model(x), before)
    yield "fp16 베이스: fp32에서 더하고 한 번만 반올림"
    try_half(merge_lora)


def learnt(base: nn.Module) -> LoRALinear:
    """A layer whose B is not zero, and whose scaling is 2."""
    torch.manual_seed(0)
    layer = LoRALinear(base, rank=3, alpha=6.0)
    nn.init.normal_(layer.lora_B)
    return layer.requires_grad_(False)


def merged(merge_lora: Merge, layer: LoRALinear) -> Tensor:
    """The weight of the layer's base after the merge, whose dtype and place have been checked."""
    base, dtype = layer.base, layer.base.weight.dtype
    model = nn.Sequential(layer)
    merge_lora(model)
    kept = isinstance(model[0], LoRALinear)
    expect(not kept, "LoRALinear가 그 자리에 남아 B·A가 두 번 더해집니다. layer.base로 바꾸세요")
    expect(model[0] is base, "그 자리에 있는 것이 layer.base가 아닙니다. 새로 만들지 마세요")
    weight = base.weight
    expect(isinstance(weight, nn.Parameter), "weight가 nn.Parameter가 아닙니다. .data를 바꾸세요")
    expect(weight.dtype == dtype, f"weight의 dtype이 {dtype}이어야 하는데 {weight.dtype}입니다")
    return weight.detach()


def try_merge(merge_lora: Merge, base: nn.Module) -> None:
    """Compare the merged weight with the sum."""
    layer = learnt(base)
    flip = isinstance(base, Conv1D)
    before = base.get_parameter("weight").detach().clone()
    delta = layer.scaling * layer.lora_B.double() @ layer.lora_A.double()  # (out, in)
    delta = (delta.T if flip else delta).float()
    mistakes = {
        "weight: 바뀌지 않았습니다. layer.base.weight.data에 넣으세요": before,
        "weight: alpha / rank(layer.scaling)를 곱하지 않았습니다": before + delta / layer.scaling,
        "weight: W₀을 더하지 않았습니다. B·A뿐입니다": delta,
        "weight: B·A를 뺐습니다": before - delta,
    }
    if delta.shape == delta.T.shape:
        turned = "뒤집지 않았습니다. Conv1D의 가중치는 (in, out)입니다" if flip else "뒤집었습니다"
        mistakes[f"weight: B·A를 {turned}"] = before + delta.T
    compare("weight", merged(merge_lora, layer), before + delta, mistakes)


def try_half(merge_lora: Merge) -> None:
    """The rounded sum is within half a unit in the last place of the exact one."""
    layer = learnt(nn.Linear(32, 32).half())
    nn.init.normal_(layer.lora_B, std=0.01)
    exact = layer.base.weight.double() + 2 * layer.lora_B.double() @ layer.lora_A.double()
    weight = merged(merge_lora, layer).double()
    # Half a unit, and what fp32 adds to it in the rarest case.
    apart = (weight - exact).abs() > exact.abs() * (2**-11 + 2**-20) + 2**-25
    expect(
        not apart.any(),
        f"{apart.numel()}개 가운데 {int(apart.sum())}개가 두 번 반올림되었습니다. "
        "W₀을 .float()으로 바꿔 더하고, 합을 끝에 한 번만 fp16으로 바꾸세요",
    )
