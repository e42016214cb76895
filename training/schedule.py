"""The learning rate over the steps: a linear warm-up, then half a cosine down to zero.

SGDR: https://arxiv.org/abs/1608.03983, equation 5, without restarts.
"""

import math


def cosine_with_warmup(updates: int, warmup: int, total: int) -> float:
    """The factor of the peak learning rate after this many updates of the weights.

    The warm-up ends at 1 and does not start at 0, since an update at rate 0 would be wasted.
    """
    if updates < warmup:
        return (updates + 1) / (warmup + 1)
    progress = (updates - warmup) / max(1, total - warmup)  # from 0 to 1
    return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
