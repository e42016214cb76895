"""Fold the update into the base weight: `W = W0 + (alpha / rank) · B·A`. Inference then costs
what the base costs (section 4.1 of the LoRA paper)."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from lora.inject import lora_layers, replace_module
from lora.layer import LoRALinear, weight_of


@dataclass(frozen=True)
class MergedLayer:
    """What `unmerge_lora` needs to put one layer back: its name, its LoRA, its weight before."""

    name: str
    layer: LoRALinear
    weight: Tensor


@torch.no_grad()
def merge_lora(model: nn.Module) -> list[MergedLayer]:
    """Replace every `LoRALinear` of `model` by its base with the update added, in place.

    The sum is computed in fp32 and rounded once to the base's dtype. The weight before is kept in
    the returned list: adding and subtracting would drift by a rounding error each time.

    Raises:
        TypeError: the base of a layer is quantised (merge into the half-precision base, then
            quantise: a 4-bit weight cannot hold the sum). The model is then as it was.
    """
    layers = lora_layers(model)
    for name, layer in layers.items():
        if type(layer.base) not in (nn.Linear, Conv1D):
            raise TypeError(f"{name}: cannot merge into a {type(layer.base).__name__}")
    merged = []
    for name, layer in layers.items():
        weight = weight_of(layer.base).data
        delta = layer.delta_weight()
        if isinstance(layer.base, Conv1D):
            delta = delta.T  # GPT-2 stores (in, out)
        weight_of(layer.base).data = (weight.float() + delta).to(weight.dtype)
        replace_module(model, name, layer.base)
        merged.append(MergedLayer(name, layer, weight))
    return merged


@torch.no_grad()
def unmerge_lora(model: nn.Module, merged: list[MergedLayer]) -> None:
    """Undo `merge_lora`, bit for bit."""
    for record in merged:
        weight_of(record.layer.base).data = record.weight
        replace_module(model, record.name, record.layer)
