"""Put LoRA layers into a model: find the targets by name, freeze the rest, count what trains."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from torch import nn

from common.console import UserError
from lora.layer import LoRALinear, linear_shape

DEFAULT_TARGETS = ("attn.c_attn", "attn.c_proj")


@dataclass(frozen=True)
class LoraConfig:
    """What an adapter is made of. `targets` are suffixes of module names."""

    rank: int = 16
    alpha: float = 32.0
    dropout: float = 0.05
    targets: tuple[str, ...] = DEFAULT_TARGETS


@dataclass(frozen=True)
class Injection:
    """What `inject_lora` did: names of the adapted layers, and numbers of parameters."""

    layers: tuple[str, ...]
    trainable: int
    total: int

    def describe(self) -> str:
        """One Korean line for the terminal."""
        return (
            f"LoRA: {len(self.layers)}개 층, 학습하는 파라미터 {self.trainable:,} / "
            f"{self.total:,} ({self.trainable / self.total:.2%})"
        )


def inject_lora(model: nn.Module, config: LoraConfig) -> Injection:
    """Wrap every target layer of `model` in a `LoRALinear`, in place, and freeze all else.

    Raises:
        UserError: the model has LoRA layers already, or a target matches no layer or one that LoRA
            cannot wrap. The model is then as it was.
    """
    if lora_layers(model):
        raise UserError(
            "이 모델에는 이미 LoRA가 들어 있습니다. 새로 불러온 모델을 쓰거나 먼저 병합하세요."
        )
    names = _find_targets(model, config.targets)
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    for name in names:
        layer = model.get_submodule(name)
        replace_module(model, name, LoRALinear(layer, config.rank, config.alpha, config.dropout))
    parameters = list(model.parameters())
    return Injection(
        layers=tuple(names),
        trainable=sum(p.numel() for p in parameters if p.requires_grad),
        total=sum(p.numel() for p in parameters),
    )


def _find_targets(model: nn.Module, targets: tuple[str, ...]) -> list[str]:
    """Names of the modules that end in one of `targets`, as whole dotted parts."""
    allowed = _linear_names(model)
    suffixes = sorted({".".join(name.split(".")[-2:]) for name in allowed})
    found: list[str] = []
    for target in targets:
        matches = [n for n, _ in model.named_modules() if f".{n}".endswith(f".{target}")]
        if not matches or not set(matches) <= set(allowed):
            raise UserError(
                f"LoRA 대상 '{target}'에 맞는 선형층이 없습니다. "
                f"--targets에 이 중에서 고르세요: {', '.join(suffixes)}"
            )
        found += [name for name in matches if name not in found]
    return found


def _linear_names(model: nn.Module) -> list[str]:
    """Names of the layers that LoRA may wrap.

    Not an output head that shares its weight with the token embedding: merging into the one would
    change the other.
    """
    embeddings = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
    names = []
    for name, module in model.named_modules():
        try:
            linear_shape(module)
        except TypeError:
            continue
        if id(module.weight) not in embeddings:
            names.append(name)
    return names


def replace_module(model: nn.Module, name: str, module: nn.Module) -> None:
    """Put `module` where `model` has the submodule `name`."""
    parent, _, attribute = name.rpartition(".")
    setattr(model.get_submodule(parent), attribute, module)


def lora_layers(model: nn.Module) -> dict[str, LoRALinear]:
    """Every LoRA layer of the model by its name, in the model's order."""
    return {n: m for n, m in model.named_modules() if isinstance(m, LoRALinear)}


@contextmanager
def adapter_disabled(model: nn.Module) -> Iterator[None]:
    """Inside, the model computes what its base computes."""
    layers = list(lora_layers(model).values())
    before = [layer.enabled for layer in layers]
    for layer in layers:
        layer.enabled = False
    try:
        yield
    finally:
        for layer, enabled in zip(layers, before, strict=True):
            layer.enabled = enabled
