"""Favour what the prompt says: a bias for tokens that continue a phrase of the prompt.

A small model knows that it has to copy but loses its place: it writes the first half of a rare word
and then the likelier ending of another. Induction heads (https://arxiv.org/abs/2209.11895) are the
circuit that finds the place again: where did the last token occur before, and what followed it
there? This bias asks the same question of the token ids themselves. It lends a small model the
heads that a large one has learnt. Endings and connectives that the prompt lacks stay reachable,
because a bias only shifts the odds.
"""

import torch
from torch import Tensor


def favour_copies(logits: Tensor, prompt: Tensor, response: Tensor, bias: float) -> Tensor:
    """Add `bias` to the logit of each token that follows the last token somewhere in the prompt,
    and once more if the last two tokens stand there.

    The first token of the response has nothing to continue, so its logits stay as they are.

    Shapes:
        logits (B, V), prompt (B, P), response (B, S)
    """
    if response.shape[1] == 0:
        return logits
    last = prompt[:, :-1] == response[:, -1:]  # (B, P - 1): the last token stands here
    logits = _add(logits, prompt[:, 1:], last, bias)
    if response.shape[1] > 1:
        both = last[:, 1:] & (prompt[:, :-2] == response[:, -2:-1])  # (B, P - 2)
        logits = _add(logits, prompt[:, 2:], both, bias)
    return logits


def _add(logits: Tensor, tokens: Tensor, wanted: Tensor, bias: float) -> Tensor:
    """Add `bias` once to the logits of the tokens (B, P) that are `wanted` (B, P)."""
    counts = torch.zeros_like(logits).scatter_add(1, tokens, wanted.to(logits.dtype))
    return logits + bias * (counts > 0)
