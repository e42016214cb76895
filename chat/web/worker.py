"""One thread that runs all models, in the order of the requests.

A web server calls functions from many threads. For each thread that computes, torch keeps a pool
of its own, and two pools on the same cores wait for each other. So only one thread computes.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")
END = object()
PAUSE = 0.05  # seconds between two items, since sending one takes time from the model's cores


class Worker:
    """Runs jobs one after the other, in the order in which they are given."""

    def __init__(self) -> None:
        self.jobs: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            self.jobs.get()()

    def stream(self, items: Callable[[], Iterator[T]]) -> Iterator[T]:
        """Run `items()` in the thread and yield its items; a slow reader gets only the newest.

        Closing this generator ends the job. An error in the job is raised here.
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
                arrived = [results.get()]
                while not results.empty():
                    arrived.append(results.get())
                last = arrived.pop()
                finished = last is END or isinstance(last, BaseException)
                if finished and arrived:
                    yield arrived[-1]
                if isinstance(last, BaseException):
                    raise last
                if finished:
                    return
                yield last
                time.sleep(PAUSE)
        finally:
            closed.set()

    def call(self, function: Callable[[], T]) -> T:
        """Run the function in the thread; return what it returns, or raise what it raises."""

        def once() -> Iterator[T]:
            yield function()

        return next(self.stream(once))
