import threading
import time
from collections.abc import Iterator

import pytest

from chat.web.worker import Worker
from common.console import UserError


def test_jobs_run_in_one_thread_in_the_order_they_come() -> None:
    worker, order, threads = Worker(), [], set()
    gate = threading.Event()
    worker.jobs.put(lambda: gate.wait() and None)  # until all have come
    while not worker.jobs.empty():
        time.sleep(0.001)

    def job(number: int) -> None:
        order.append(number)
        threads.add(threading.get_ident())

    callers = []
    for i in range(32):
        callers.append(threading.Thread(target=lambda i=i: worker.call(lambda: job(i))))
        callers[-1].start()
        while worker.jobs.qsize() <= i:
            time.sleep(0.001)
    gate.set()
    for caller in callers:
        caller.join()
    assert order == list(range(32)) and len(threads) == 1


def test_a_slow_reader_gets_the_newest_and_always_the_last() -> None:
    seen = list(Worker().stream(lambda: iter(range(10_000))))
    assert seen[-1] == 9_999 and seen == sorted(set(seen)) and len(seen) < 1_000


@pytest.mark.parametrize("after", [0, 3])
def test_an_error_comes_after_what_was_before_it(after: int) -> None:
    def items() -> Iterator[int]:
        yield from range(after)
        raise UserError("안 됩니다")

    worker, seen = Worker(), []
    with pytest.raises(UserError, match="안 됩니다"):
        for item in worker.stream(items):
            seen.append(item)
    assert seen[-1:] == ([after - 1] if after else [])
    assert worker.call(lambda: "다음") == "다음"  # the thread lives


def test_nobody_computes_for_a_reader_who_has_gone() -> None:
    worker, computed = Worker(), []

    def items() -> Iterator[int]:
        for i in range(1_000_000):
            computed.append(i)
            yield i
            time.sleep(0.001)

    reader = worker.stream(items)
    next(reader)
    reader.close()
    assert worker.call(lambda: "다음") == "다음"  # would wait for a quarter of an hour
    assert len(computed) < 1000
