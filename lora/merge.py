"""Fold the update into the base weight: `W = W0 + (alpha / rank) · B·A`.

A merged model costs no more at inference than its base (section 4.1 of the LoRA paper).
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from lora.inject import lora_layers, replace_module
from lora.layer import LoRALinear


@dataclass(frozen=True)
class MergedLayer:
    """What `unmerge_lora` needs to restore one layer."""

    name: str
    layer: LoRALinear
    weight: Tensor  # of the base, before the merge


@torch.no_grad()
def merge_lora(model: nn.Module) -> list[MergedLayer]:
    """Replace every `LoRALinear` of `model` by its base with the update added, in place.

    The sum is computed in fp32 and rounded once to the dtype of the base. The returned list keeps
    the original weights: subtracting the update again would add a rounding error each time.

    Raises:
        TypeError: the base of a layer is quantised, and a 4-bit weight cannot hold the sum. Merge
            into the half-precision base and quantise then. The model is unchanged.
    """
    layers = lora_layers(model)
    for name, layer in layers.items():
        if type(layer.base) not in (nn.Linear, Conv1D):
            raise TypeError(f"{name}: cannot merge into a {type(layer.base).__name__}")
    merged = []
    for name, layer in layers.items():
        weight = layer.base.weight.data
        delta = layer.delta_weight()  # (out, in)
        if isinstance(layer.base, Conv1D):
            delta = delta.T  # GPT-2 stores (in, out)
        layer.base.weight.data = (weight.float() + delta).to(weight.dtype)
        replace_module(model, name, layer.base)
        merged.append(MergedLayer(name, layer, weight))
    return merged


@torch.no_grad()
def unmerge_lora(model: nn.Module, merged: list[MergedLayer]) -> None:
    """Undo `merge_lora`, bit for bit."""
    for record in merged:
        record.layer.base.weight.data = record.weight
        replace_module(model, record.name, record.layer)
