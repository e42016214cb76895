import signal

import pytest

from common.console import Stopped
from training.interrupt import SIGNALS, interruptible


@pytest.mark.parametrize("number", SIGNALS)
def test_a_first_signal_waits_for_the_check(number: int, capfd: pytest.CaptureFixture[str]) -> None:
    with interruptible() as interrupt:
        interrupt.check()
        signal.raise_signal(number)
        with pytest.raises(Stopped) as caught:
            interrupt.check()
    assert caught.value.signal_number == number
    assert "한 번 더" in capfd.readouterr().err


def test_a_second_one_stops_at_once() -> None:
    with interruptible(), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)


def test_a_second_sigterm_is_make_passing_on_the_first() -> None:
    with interruptible() as interrupt:
        for _ in range(3):
            signal.raise_signal(signal.SIGTERM)
        with pytest.raises(Stopped):
            interrupt.check()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_where_nothing_needs_finishing_the_first_stops() -> None:
    with interruptible() as interrupt:
        with pytest.raises(Stopped), interrupt.at_once():
            signal.raise_signal(signal.SIGTERM)
            pytest.fail("went on")
        with pytest.raises(Stopped), interrupt.at_once():
            pytest.fail("a signal was forgotten")


def test_the_handlers_before_are_put_back() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with interruptible():
        assert [signal.getsignal(number) for number in SIGNALS] != before
    assert [signal.getsignal(number) for number in SIGNALS] == before
