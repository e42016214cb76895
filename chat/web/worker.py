"""One thread in which all models run, first come first served.

A web server calls from many threads. torch keeps a team of its own for each thread that computes,
and two teams on the same cores wait for each other; so all computing happens in one.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")
END = object()
PAUSE = 0.05  # seconds between two items: telling a browser takes the core that computes


class Worker:
    """Runs jobs in the order they come."""

    def __init__(self) -> None:
        self.jobs: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            self.jobs.get()()

    def stream(self, items: Callable[[], Iterator[T]]) -> Iterator[T]:
        """Yield what the iterator gives, but never more than the newest: a reader may be slow.

        The job ends early when this generator is closed. An error in the job is raised here.
        """
        results: queue.SimpleQueue[Any] = queue.SimpleQueue()
        closed = threading.Event()

        def job() -> None:
            try:
                if not closed.is_set():
                    for item in items():
                        results.put(item)
                        if closed.is_set():
                            break
                results.put(END)
            except BaseException as error:
                results.put(error)

        self.jobs.put(job)
        try:
            while True:
                waiting = [results.get()]
                while not results.empty():
                    waiting.append(results.get())
                last = waiting.pop()
                over = last is END or isinstance(last, BaseException)
                if over and waiting:
                    yield waiting[-1]
                if isinstance(last, BaseException):
                    raise last
                if over:
                    return
                yield last
                time.sleep(PAUSE)
        finally:
            closed.set()

    def call(self, function: Callable[[], T]) -> T:
        """What the function returns, or raises."""

        def once() -> Iterator[T]:
            yield function()

        return next(self.stream(once))
