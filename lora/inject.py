"""Put LoRA layers into a model: find the target layers by name, wrap them, freeze the rest."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn

from common.console import UserError
from lora.layer import LoRALinear, is_conv1d, is_linear, linear_shape

DEFAULT_TARGETS = ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")


@dataclass(frozen=True)
class LoraConfig:
    """The hyperparameters of an adapter. `targets` are suffixes of module names.

    "attn.c_attn:qv" adapts q and v alone of the matrix in which GPT-2 keeps q, k and v.
    """

    rank: int = 16
    alpha: float = 32.0
    dropout: float = 0.05
    targets: tuple[str, ...] = DEFAULT_TARGETS
    rslora: bool = False


def inject_lora(model: nn.Module, config: LoraConfig) -> list[str]:
    """Wrap every target layer of `model` in a `LoRALinear`, in place, and freeze all else.

    Returns the names of the adapted layers.

    Raises:
        UserError: the model already has LoRA layers, or a target matches no layer that LoRA can
            wrap. The model is unchanged.
    """
    if lora_layers(model):
        raise UserError(
            "이 모델에는 이미 LoRA가 들어 있습니다. 새로 불러온 모델을 쓰거나 먼저 병합하세요."
        )
    found = find_targets(model, config.targets)
    # Freeze first: the A and B that are created below are the only parameters that train.
    model.requires_grad_(False)
    for name, parts in found.items():
        base = model.get_submodule(name)
        layer = LoRALinear(base, config.rank, config.alpha, config.dropout, config.rslora)
        if parts:
            train_rows_of(parts, layer.lora_B)
        replace_module(model, name, layer)
    return list(found)


def train_rows_of(parts: str, b: nn.Parameter) -> None:
    """Give no gradient to those rows of B, (out, rank), that belong to other letters than `parts`.

    GPT-2's `c_attn` writes q, k and v, a third of its outputs each. B starts at zero, so a row
    without gradient stays zero, and the adapter is saved like any other.
    """
    third = len(b) // 3
    frozen = torch.tensor([part not in parts for part in "qkv"]).repeat_interleave(third)[:, None]
    b.register_hook(lambda gradient: gradient.masked_fill(frozen.to(gradient.device), 0))


def find_targets(model: nn.Module, targets: tuple[str, ...]) -> dict[str, str]:
    """The linear layers that end in one of `targets`, as whole dotted parts.

    Returns their names, each with the letters that stand after the colon of its target, if any.

    An output head that shares its weight with the token embedding cannot be a target: merging into
    the one would change the other.
    """
    modules = dict(model.named_modules())
    embeddings = {id(m.weight) for m in modules.values() if isinstance(m, nn.Embedding)}
    allowed = {
        name for name, m in modules.items() if is_linear(m) and id(m.weight) not in embeddings
    }
    found: dict[str, str] = {}
    for target in targets:
        suffix, colon, parts = target.partition(":")
        matches = [name for name in modules if f".{name}".endswith(f".{suffix}")]
        if not matches or not allowed.issuperset(matches):
            suffixes = sorted({".".join(name.split(".")[-2:]) for name in allowed})
            raise UserError(
                f"LoRA 대상 '{target}'에 맞는 선형층이 없습니다. "
                f"--targets에 이 중에서 고르세요: {', '.join(suffixes)}"
            )
        splits = parts and set(parts) <= set("qkv") and all(is_qkv(model, n) for n in matches)
        if colon and not splits:
            raise UserError(
                f"LoRA 대상 '{target}': q, k, v로 나눌 수 있는 것은 GPT-2의 attn.c_attn뿐입니다. "
                "--targets attn.c_attn:qv처럼 쓰세요."
            )
        found |= dict.fromkeys(matches, parts)
    return found


def is_qkv(model: nn.Module, name: str) -> bool:
    """Whether the layer is the matrix in which GPT-2 computes q, k and v, one after the other."""
    layer = model.get_submodule(name)
    if not (name.endswith("c_attn") and is_linear(layer) and is_conv1d(layer)):
        return False
    inputs, outputs = linear_shape(layer)
    return outputs == 3 * inputs


def replace_module(model: nn.Module, name: str, module: nn.Module) -> None:
    """Replace the submodule of `model` called `name`, such as `h.0.attn.c_attn`, by `module`."""
    parent, _, attribute = name.rpartition(".")
    setattr(model.get_submodule(parent), attribute, module)


def lora_layers(model: nn.Module) -> dict[str, LoRALinear]:
    """Every LoRA layer by its name, in the order of the model."""
    return {name: m for name, m in model.named_modules() if isinstance(m, LoRALinear)}


def count_parameters(model: nn.Module) -> tuple[int, int]:
    """The number of trainable parameters, and of all parameters."""
    sizes = {p: p.numel() for p in model.parameters()}
    for p in sizes:
        if state := getattr(p, "quant_state", None):  # of a 4-bit weight, two of which fill a byte
            sizes[p] = state.shape.numel()
    return sum(n for p, n in sizes.items() if p.requires_grad), sum(sizes.values())


@contextmanager
def adapter_disabled(model: nn.Module) -> Iterator[None]:
    """Make the model compute what its base computes, inside the `with` block."""
    layers = list(lora_layers(model).values())
    enabled_before = [layer.enabled for layer in layers]
    for layer in layers:
        layer.enabled = False
    try:
        yield
    finally:
        for layer, enabled in zip(layers, enabled_before, strict=True):
            layer.enabled = enabled
