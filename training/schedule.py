"""The learning rate over the steps: a linear warm-up, then half a cosine down to zero.

SGDR: https://arxiv.org/abs/1608.03983, equation 5, without restarts.
"""

import math


def cosine_with_warmup(step: int, warmup: int, total: int) -> float:
    """The factor of the peak rate at `step`, counted from 0.

    The warm-up ends at 1 and does not start at 0: a step at rate 0 would be thrown away.
    """
    if step < warmup:
        return (step + 1) / (warmup + 1)
    progress = (step - warmup) / max(1, total - warmup)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
