"""SIGINT (Ctrl-C) and SIGTERM stop a run between two steps, so that it can be saved and resumed.

https://docs.python.org/3/library/signal.html#execution-of-python-signal-handlers
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from common.console import Stopped

SIGNALS = (signal.SIGINT, signal.SIGTERM)
NOTICE = "\n멈추는 중입니다. 한 번 더 누르면 저장하지 않고 바로 끝냅니다.\n"


class SignalHandler:
    """Remember whether a signal has arrived, and whether it may interrupt the code that runs."""

    received: int | None = None
    may_interrupt = False

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        if self.received is not None:
            # A second Ctrl-C gives up saving. A second SIGTERM does not: make passes on a signal
            # that the whole process group has received already.
            if number == signal.SIGINT:
                raise KeyboardInterrupt
            return
        self.received = number
        if number == signal.SIGINT:
            with suppress(OSError):  # the reader of stderr may be gone; print() is not reentrant
                os.write(2, NOTICE.encode(os.device_encoding(2) or "utf-8", "replace"))
        self.stop_if_allowed()

    def stop_if_allowed(self) -> None:
        """Raise `Stopped` if a signal has arrived and may interrupt."""
        if self.received is not None and self.may_interrupt:
            raise Stopped("멈췄습니다.", self.received)


HANDLER = SignalHandler()  # signal handlers belong to the whole process


@contextmanager
def stop_on_signals() -> Iterator[None]:
    """Inside, a signal waits for the next `interruptible` section, which then raises `Stopped`."""
    previous = {number: signal.signal(number, HANDLER) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        HANDLER.received = None


@contextmanager
def interruptible() -> Iterator[None]:
    """Mark code that can be abandoned anywhere, since a resumed run does it again.

    Inside, the first signal raises `Stopped` at once. Without `stop_on_signals` nothing changes.
    """
    HANDLER.may_interrupt = True
    try:
        HANDLER.stop_if_allowed()
        yield
    finally:
        HANDLER.may_interrupt = False
