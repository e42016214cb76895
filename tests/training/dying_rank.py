"""`python -m training` whose rank 1 is killed in the midst of its fifth step, once.

For steps of four examples, one to a micro-batch: two of them are rank 1's.
"""

import os
import signal
from typing import Any

from common.console import run
from model.ranks import RESTARTS, rank
from training import __main__, loop

real_loss, calls = loop.response_loss, 0


def deadly_loss(*arguments: Any) -> Any:
    global calls
    calls += 1
    if calls == 4 * 2 + 1 and rank() == 1 and RESTARTS == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return real_loss(*arguments)


if __name__ == "__main__":
    loop.response_loss = deadly_loss
    run(__main__.main)
