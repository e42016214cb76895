"""Adapt q and v alone, as the LoRA paper does, where one matrix computes q, k and v.

GPT-2's `attn.c_attn` has three outputs for an input: first all of q, then all of k, then all of v.
The target "attn.c_attn:qv" leaves out k.
"""

import torch
from torch import nn

from lora.layer import is_conv1d, is_linear, linear_shape


def can_split(name: str, layer: nn.Module, parts: str) -> bool:
    """Whether `parts` are letters of "qkv", and the layer of that name is GPT-2's fused matrix."""
    if not (name.endswith("c_attn") and is_linear(layer) and is_conv1d(layer)):
        return False
    inputs, outputs = linear_shape(layer)
    return outputs == 3 * inputs and bool(parts) and set(parts) <= set("qkv")


def train_parts(b: nn.Parameter, parts: str) -> None:
    """Give a gradient to those rows of B, (out, rank), alone that compute one of `parts`.

    B starts at zero, so a row without gradient stays zero, and the adapter is saved like any other.
    """
    third = len(b) // 3
    frozen = torch.tensor([part not in parts for part in "qkv"]).repeat_interleave(third)[:, None]
    b.register_hook(lambda gradient: gradient.masked_fill(frozen.to(gradient.device), 0))
