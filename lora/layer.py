"""One linear layer with a low-rank update beside it.

    x ──┬──────────── W0 (frozen) ────────────┬── h
        └─ dropout ── A (r, in) ── B (out, r) ─┘ × alpha / r

LoRA: Low-Rank Adaptation of Large Language Models, Hu et al. 2021, https://arxiv.org/abs/2106.09685
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D


class LoRALinear(nn.Module):
    """`h = W0·x + b + (alpha / rank) · B·A·dropout(x)` (equation 3 of the paper).

    Wraps, never copies, its base: an `nn.Linear` (weight (out, in)), GPT-2's `Conv1D` (weight
    (in, out)) or a bitsandbytes layer. A and B are fp32 masters whatever the base's dtype, on the
    base's device. A is Kaiming-uniform and B is zero, so that training starts from the base.

    Shapes:
        lora_A (rank, in_features), lora_B (out_features, rank)
        input (..., in_features), output (..., out_features)

    Raises:
        TypeError: the base is no linear layer.
        ValueError: `rank` is not positive.
    """

    def __init__(self, base: nn.Module, rank: int, alpha: float, dropout: float = 0.0) -> None:
        super().__init__()
        if rank < 1:
            raise ValueError(f"rank must be at least 1, not {rank}")
        in_features, out_features = linear_shape(base)
        device = weight_of(base).device
        self.base = base
        self.scaling = alpha / rank
        self.dropout = nn.Dropout(dropout)
        self.enabled = True
        # Drawn on the CPU and then moved: one seed gives one adapter on every device.
        a = torch.empty(rank, in_features, dtype=torch.float32)
        nn.init.kaiming_uniform_(a, a=math.sqrt(5))
        self.lora_A = nn.Parameter(a.to(device))
        self.lora_B = nn.Parameter(torch.zeros(out_features, rank, device=device))
        self.train(base.training)  # a new module trains: in an eval model its dropout would act

    def forward(self, x: Tensor) -> Tensor:
        h = self.base(x)
        if not self.enabled:
            return h
        # The cast is free in fp32, and under autocast it is the one autocast would make.
        a, b = self.lora_A.to(x.dtype), self.lora_B.to(x.dtype)
        return h + F.linear(F.linear(self.dropout(x), a), b) * self.scaling

    @torch.no_grad()
    def delta_weight(self) -> Tensor:
        """`(alpha / rank) · B·A` in fp32, shape (out_features, in_features)."""
        return self.scaling * (self.lora_B.float() @ self.lora_A.float())


def weight_of(layer: nn.Module) -> nn.Parameter:
    """The layer's weight, typed: `nn.Module` attributes have no static type."""
    assert isinstance(layer.weight, nn.Parameter)
    return layer.weight


def linear_shape(layer: nn.Module) -> tuple[int, int]:
    """(in_features, out_features) of an `nn.Linear`, a `Conv1D` or a bitsandbytes layer.

    Raises:
        TypeError: any other module.
    """
    if isinstance(layer, Conv1D):
        return layer.nx, layer.nf
    if isinstance(layer, nn.Linear):  # bitsandbytes' layers are subclasses of it
        return layer.in_features, layer.out_features
    raise TypeError(f"LoRA wraps linear layers, not {type(layer).__name__}")
