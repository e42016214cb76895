import signal

import pytest

from common.console import Stopped
from common.interrupt import SIGNALS, interruptible, stop_on_signals


@pytest.mark.parametrize("number", SIGNALS)
def test_a_first_signal_waits_for_an_interruptible_section(
    number: int, capfd: pytest.CaptureFixture[str]
) -> None:
    with stop_on_signals():
        with interruptible():
            pass
        signal.raise_signal(number)
        with pytest.raises(Stopped) as caught, interruptible():
            pytest.fail("a signal was forgotten")
    assert caught.value.signal_number == number
    assert ("한 번 더 누르면" in capfd.readouterr().err) == (number == signal.SIGINT)


def test_a_second_one_stops_at_once() -> None:
    with stop_on_signals(), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)


def test_a_second_sigterm_is_make_passing_on_the_first() -> None:
    with stop_on_signals():
        for _ in range(3):
            signal.raise_signal(signal.SIGTERM)
        with pytest.raises(Stopped), interruptible():
            pytest.fail("a signal was forgotten")
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_inside_an_interruptible_section_the_first_stops_at_once() -> None:
    with stop_on_signals():
        with pytest.raises(Stopped), interruptible():
            signal.raise_signal(signal.SIGTERM)
            pytest.fail("went on")
        signal.raise_signal(signal.SIGTERM)  # what saves after the first is not interrupted
    with interruptible():
        pass  # what comes after the run is not interrupted


def test_the_previous_handlers_are_restored() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with stop_on_signals():
        assert [signal.getsignal(number) for number in SIGNALS] != before
    assert [signal.getsignal(number) for number in SIGNALS] == before
