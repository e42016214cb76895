"""SIGINT (Ctrl-C) and SIGTERM: finish what must not be cut, save, and say how to go on.

https://docs.python.org/3/library/signal.html#execution-of-python-signal-handlers
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from common.console import Stopped

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupt:
    """A first signal waits for `check()`; a SIGINT after it stops at once.

    (Not a second SIGTERM: make and its like pass on what the whole group has got already.)
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self.waits = True

    def handle(self, number: int, _frame: FrameType | None) -> None:
        """To be given to `signal.signal`."""
        if self.received is not None:
            if number == signal.SIGINT:
                raise KeyboardInterrupt
            return
        self.received = number
        if not self.waits:
            self.check()
        text = "\n멈추는 중입니다. 한 번 더 누르면 저장하지 않고 바로 끝냅니다.\n"
        # Not print: the signal may have come in the middle of one, and killed who was reading.
        with suppress(OSError):
            os.write(2, text.encode(os.device_encoding(2) or "utf-8", "replace"))

    def check(self) -> None:
        """Raise `Stopped` if a signal has come."""
        if self.received is not None:
            raise Stopped("멈췄습니다.", self.received)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Inside, nothing needs finishing: a first signal raises `Stopped` where it arrives."""
        self.waits = False
        try:
            self.check()
            yield
        finally:
            self.waits = True


@contextmanager
def interruptible() -> Iterator[Interrupt]:
    """Inside, SIGINT and SIGTERM go to the `Interrupt` that it yields."""
    interrupt = Interrupt()
    before = {number: signal.signal(number, interrupt.handle) for number in SIGNALS}
    try:
        yield interrupt
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
