"""Put LoRA layers into a model: find the target layers by name, wrap them, freeze the rest."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from torch import nn

from common.console import UserError
from lora.fused import can_split, train_parts
from lora.layer import LoRALinear, is_linear


@dataclass(frozen=True)
class LoraConfig:
    """The hyperparameters of an adapter. `targets` are suffixes of module names.

    No targets stand for every linear layer inside the blocks, whatever the family calls them.
    `lora/fused.py` explains what may follow a colon, as in "attn.c_attn:qv".
    """

    rank: int = 16
    alpha: float = 32.0
    dropout: float = 0.05
    targets: tuple[str, ...] = ()
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
    found = find_targets(model, config.targets or default_targets(model))
    # Freeze first: the A and B that are created below are the only parameters that train.
    model.requires_grad_(False)
    for name, parts in found.items():
        base = model.get_submodule(name)
        layer = LoRALinear(base, config.rank, config.alpha, config.dropout, config.rslora)
        if parts:
            train_parts(layer.lora_B, parts)
        replace_module(model, name, layer)
    return list(found)


def default_targets(model: nn.Module) -> tuple[str, ...]:
    """Every linear layer inside the blocks, by its name there.

    That is c_attn, c_proj and c_fc in GPT-2, query_key_value, dense and two more in GPT-NeoX, and
    the seven projections from q_proj to down_proj in Llama, Qwen2 and Gemma. The output head stands
    outside the blocks. https://arxiv.org/abs/2305.14314, section 4: all layers, not q and v alone.
    """
    return names_in_block(name for name, module in model.named_modules() if is_linear(module))


def names_in_block(names: Iterable[str]) -> tuple[str, ...]:
    """What follows the number of the block: "attn.c_attn" of "transformer.h.0.attn.c_attn"."""
    matches = (re.fullmatch(r".*\.\d+\.(.+)", name) for name in names)
    return tuple(dict.fromkeys(match[1] for match in matches if match))


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
            suffixes = sorted(names_in_block(allowed))
            raise UserError(
                f"LoRA 대상 '{target}'에 맞는 선형층이 없습니다. "
                f"--targets에 이 중에서 고르세요: {', '.join(suffixes)}"
            )
        if colon and not all(can_split(name, modules[name], parts) for name in matches):
            raise UserError(
                f"LoRA 대상 '{target}': q, k, v로 나눌 수 있는 것은 GPT-2의 attn.c_attn뿐입니다. "
                "--targets attn.c_attn:qv처럼 쓰세요."
            )
        found |= dict.fromkeys(matches, parts)
    return found


def replace_module(model: nn.Module, name: str, module: nn.Module) -> None:
    """Replace the submodule of `model` called `name`, such as `h.0.attn.c_attn`, by `module`."""
    parent, _, attribute = name.rpartition(".")
    setattr(model.get_submodule(parent), attribute, module)


def lora_layers(model: nn.Module) -> dict[str, LoRALinear]:
    """Every LoRA layer by its name, in the order of the model."""
    return {name: m for name, m in model.named_modules() if isinstance(m, LoRALinear)}


def count_parameters(model: nn.Module) -> tuple[int, int]:
    """The number of trainable parameters, and of all parameters."""

    def count(parameter: nn.Parameter) -> int:
        # Two 4-bit weights share a byte; their state knows the shape that they had.
        state = getattr(parameter, "quant_state", None)
        return state.shape.numel() if state else parameter.numel()

    sizes = [(p.requires_grad, count(p)) for p in model.parameters()]
    return sum(size for trains, size in sizes if trains), sum(size for _, size in sizes)


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
