"""Exercise 3: what has to be true of a model after the injection."""

from collections.abc import Callable, Iterator
from typing import Any

from torch import nn
from transformers.pytorch_utils import Conv1D

from exercises.checking import Wrong, expect, kind_of
from lora.inject import LoraConfig
from lora.layer import LoRALinear

Inject = Callable[[nn.Module, LoraConfig], Any]


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.c_attn = Conv1D(12, 4)
        self.c_proj = Conv1D(4, 4)


class Block(nn.Module):
    """`xattn.c_proj` ends in "attn.c_proj" as text, but not in whole dotted parts."""

    def __init__(self) -> None:
        super().__init__()
        self.attn = Attention()
        self.xattn = Attention()
        self.fc = nn.Linear(4, 4)


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.wte = nn.Embedding(10, 4)
        self.h = nn.ModuleList(Block() for _ in range(2))
        self.lm_head = nn.Linear(4, 10, bias=False)


def check(inject_lora: Inject) -> Iterator[str]:
    """Yield the name of each case, then try it; raise `Wrong` at the first that is wrong."""
    yield "대상 하나"
    try_names(inject_lora, ("fc",), ["h.0.fc", "h.1.fc"])
    yield "이름의 마디를 통째로 견준다"
    try_names(inject_lora, ("attn.c_proj",), ["h.0.attn.c_proj", "h.1.attn.c_proj"])
    yield "대상 둘"
    names = ["h.0.attn.c_attn", "h.0.fc", "h.1.attn.c_attn", "h.1.fc"]
    try_names(inject_lora, ("fc", "attn.c_attn"), names)
    yield "감싼 층은 원래의 층이고 설정을 그대로 받는다"
    try_layer(inject_lora)
    yield "학습하는 것은 A와 B뿐이다"
    try_frozen(inject_lora)
    yield "맞는 층이 없는 이름에는 오류"
    try_typo(inject_lora)


def try_names(inject_lora: Inject, targets: tuple[str, ...], names: list[str]) -> None:
    """Compare the layers that were wrapped, and the names that were returned, with `names`."""
    model = Model()
    returned = inject_lora(model, LoraConfig(rank=2, alpha=8, targets=targets))
    wrapped = [name for name, m in model.named_modules() if isinstance(m, LoRALinear)]
    nested = [name for name in wrapped if ".base" in name]
    expect(not nested, f"LoRALinear 속의 층을 또 감쌌습니다: {', '.join(nested)}")
    extra = [name for name in wrapped if name not in names]
    expect(not extra, f"{targets}에 맞지 않는 층을 감쌌습니다: {', '.join(extra)}")
    missing = [name for name in names if name not in wrapped]
    transposed = [n for n in missing if isinstance(model.get_submodule(n), Conv1D)]
    hint = " (GPT-2의 Conv1D도 선형층입니다)" if transposed else ""
    expect(not missing, f"{targets}에 맞는 층을 감싸지 않았습니다: {', '.join(missing)}{hint}")
    if not isinstance(returned, list):
        raise Wrong(f"이름의 리스트를 돌려주어야 하는데 {kind_of(returned)}")
    expect(
        sorted(map(str, returned)) == sorted(names),
        f"돌려준 이름이 감싼 층의 이름과 다릅니다: {returned}",
    )


def try_layer(inject_lora: Inject) -> None:
    """Each wrapper holds the very layer that stood there, with all that the config says."""
    model = Model()
    before = model.h[1].get_submodule("fc")
    inject_lora(model, LoraConfig(rank=2, alpha=8, dropout=0.25, targets=("fc",)))
    layer = model.h[1].get_submodule("fc")
    assert isinstance(layer, LoRALinear)
    expect(layer.base is before, "layer.base가 원래의 층이 아닙니다. 복사하지 말고 그대로 넘기세요")
    rank = len(layer.lora_A)
    expect(rank == 2, f"config.rank가 2인데 A의 행이 {rank}개입니다 (rank와 alpha의 순서?)")
    expect(
        layer.scaling == 4, f"alpha / rank는 4여야 하는데 {layer.scaling:g}입니다 (config.alpha)"
    )
    rate = layer.dropout.p
    expect(rate == 0.25, f"드롭아웃이 0.25여야 하는데 {rate:g}입니다 (config.dropout)")


def try_frozen(inject_lora: Inject) -> None:
    """Only A and B train."""
    model = Model()
    inject_lora(model, LoraConfig(rank=2, targets=("fc",)))
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    lora = {name for name, _ in model.named_parameters() if "lora_" in name}
    expect(bool(trained), "아무것도 학습하지 않습니다. 얼린 *뒤에* A와 B를 만드세요")
    expect(lora <= trained, f"A나 B가 얼었습니다: {', '.join(sorted(lora - trained))}")
    others = sorted(trained - lora)
    expect(
        not others,
        f"얼리지 않은 파라미터가 {len(others)}개입니다: {', '.join(others[:3])} … "
        "A와 B 말고는 감싼 층도, 감싸지 않은 층도, 임베딩도 얼립니다",
    )


def try_typo(inject_lora: Inject) -> None:
    """A target without a layer is an error, even beside one that has layers."""
    for targets in (("attn.c_porj",), ("fc", "attn.c_porj")):
        try:
            returned = inject_lora(Model(), LoraConfig(rank=2, alpha=8, targets=targets))
        except Exception:
            continue
        raise Wrong(f"targets {targets}에 오류가 나지 않고 {returned}을(를) 돌려주었습니다")
