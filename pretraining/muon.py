"""Muon for the weight matrices, AdamW for the rest, behind one `step`."""

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Muon, Optimizer


class MuonAdamW(Optimizer):
    """What the embedded base is pretrained with.

    Muon (https://kellerjordan.github.io/posts/muon/) takes the momentum of a weight matrix and sets
    all its singular values to about 1, so that rare directions move as fast as frequent ones. It
    is for matrices between hidden states; embeddings, biases and norms stay with AdamW. Its steps
    are scaled to the size of AdamW's (https://arxiv.org/abs/2502.16982, section 2.2), so one
    learning rate serves both.
    """

    def __init__(self, model: nn.Module, lr: float) -> None:
        matrices: list[Tensor] = []
        others: list[Tensor] = []
        for name, parameter in model.named_parameters():
            embedding = "wte" in name or "wpe" in name
            (matrices if parameter.dim() == 2 and not embedding else others).append(parameter)
        self.parts: list[Optimizer] = [
            Muon(matrices, lr=lr, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"),
            AdamW(others, lr=lr, betas=(0.9, 0.95), weight_decay=0.0, fused=True),
        ]
        # The same group objects: a scheduler that writes their "lr" reaches both.
        super().__init__([group for part in self.parts for group in part.param_groups], {})

    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for part in self.parts:
            part.step()

    def moments(self, parameter: Tensor) -> dict[str, Tensor]:
        """The state kept for `parameter`; empty before the first step."""
        found: dict[str, Tensor] = {}
        for part in self.parts:
            found |= part.state.get(parameter, {})
        return found

    def set_moments(self, parameter: Tensor, moments: dict[str, Tensor]) -> None:
        """Put back what `moments` gave."""
        for part in self.parts:
            if any(parameter is p for group in part.param_groups for p in group["params"]):
                part.state[parameter] = moments


def sinusoids(length: int, width: int, amplitude: float = 0.03) -> Tensor:
    """Position embeddings to begin with, (length, width): section 3.5 of 1706.03762.

    Learnt ones begin as noise, and a model has to find out which positions are neighbours.
    """
    positions = torch.arange(length)[:, None]
    rates = 10_000.0 ** (-torch.arange(0, width, 2) / width)
    angles = positions * rates  # (length, width / 2)
    return amplitude * torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)
