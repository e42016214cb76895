"""A linear layer with a trainable low-rank update.

    x ──┬──────────── W0 (frozen) ────────────┬── h
        └─ dropout ── A (r, in) ── B (out, r) ─┘ × alpha / r

LoRA: Low-Rank Adaptation of Large Language Models, Hu et al. 2021, https://arxiv.org/abs/2106.09685
"""

import math
from typing import TypeGuard

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D


class LoRALinear(nn.Module):
    """`h = W0·x + b + (alpha / rank) · B·A·dropout(x)` (equation 3 of the paper).

    The layer wraps its base and never copies it: an `nn.Linear` (weight (out, in)), GPT-2's
    `Conv1D` (weight (in, out)) or a bitsandbytes layer. A and B are fp32 master weights whatever
    the dtype of the base, on the device of the base. A is Kaiming-uniform and B is zero, so that
    training starts from the base.

    rsLoRA divides alpha by the square root of the rank: a larger rank then still learns as fast
    (https://arxiv.org/abs/2312.03732).

    Shapes:
        lora_A (rank, in_features), lora_B (out_features, rank)
        input (..., in_features), output (..., out_features)

    Raises:
        TypeError: the base is not a linear layer.
        ValueError: `rank` is not positive.
    """

    def __init__(
        self,
        base: nn.Module,
        rank: int,
        alpha: float,
        dropout: float = 0.0,
        rslora: bool = False,
    ) -> None:
        super().__init__()
        if not is_linear(base):
            raise TypeError(f"LoRA wraps linear layers, not {type(base).__name__}")
        if rank < 1:
            raise ValueError(f"rank must be at least 1, not {rank}")
        in_features, out_features = linear_shape(base)
        device = base.weight.device
        self.base = base
        self.scaling = alpha / (math.sqrt(rank) if rslora else rank)
        self.dropout = nn.Dropout(dropout)
        self.enabled = True
        # Draw on the CPU and then move, so that one seed gives the same adapter on every device.
        a = torch.empty(rank, in_features, dtype=torch.float32)
        nn.init.kaiming_uniform_(a, a=math.sqrt(5))
        self.lora_A = nn.Parameter(a.to(device))
        self.lora_B = nn.Parameter(torch.zeros(out_features, rank, device=device))
        # A new module is in training mode: inside an eval model its dropout would be active.
        self.train(base.training)

    def forward(self, x: Tensor) -> Tensor:
        h = self.base(x)  # (..., out)
        if not self.enabled:
            return h
        # The cast costs nothing in fp32, and under autocast it is the one that autocast would do.
        a, b = self.lora_A.to(x.dtype), self.lora_B.to(x.dtype)
        low_rank = F.linear(self.dropout(x), a)  # (..., rank)
        return h + F.linear(low_rank, b) * self.scaling

    @torch.no_grad()
    def delta_weight(self) -> Tensor:
        """`scaling · B·A` in fp32, shape (out_features, in_features)."""
        return self.scaling * (self.lora_B.float() @ self.lora_A.float())


def is_linear(module: nn.Module) -> TypeGuard[nn.Linear | Conv1D]:
    """Whether LoRA can wrap `module`. The bitsandbytes layers are subclasses of `nn.Linear`."""
    return isinstance(module, nn.Linear | Conv1D)


def is_conv1d(module: nn.Module) -> bool:
    """Whether `module` is a `Conv1D`, or a bitsandbytes layer that `quant.swap` made of one."""
    return isinstance(module, Conv1D) or getattr(module, "was_conv1d", False)


def linear_shape(layer: nn.Linear | Conv1D) -> tuple[int, int]:
    """(in_features, out_features) of a layer for which `is_linear` holds."""
    if isinstance(layer, Conv1D):
        return layer.nx, layer.nf
    return layer.in_features, layer.out_features
