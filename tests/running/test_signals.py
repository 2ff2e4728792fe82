"""Which signals are heard, and what stands afterwards."""

import signal
import threading

import pytest

from funclearn.running._signals import listening

HEARD = (signal.SIGINT, signal.SIGTERM)


@pytest.fixture
def handlers():
    """Handlers of the test's own, put back afterwards."""
    calls = []
    before = {
        number: signal.signal(number, lambda number, frame: calls.append(number))
        for number in HEARD
    }
    yield calls
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", HEARD)
def test_the_first_is_noted_and_the_second_acts_as_before(handlers, number):
    mine = [signal.getsignal(one) for one in HEARD]
    with listening() as heard:
        assert heard() is None
        signal.raise_signal(number)
        assert heard() == number and not handlers
        signal.raise_signal(number)
        assert handlers == [number]
    assert [signal.getsignal(one) for one in HEARD] == mine


def test_handlers_are_restored_after_an_exception(handlers):
    mine = [signal.getsignal(one) for one in HEARD]
    with pytest.raises(KeyError), listening():
        raise KeyError
    assert [signal.getsignal(one) for one in HEARD] == mine


def test_an_ignored_signal_stays_ignored(handlers):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with listening() as heard:
        signal.raise_signal(signal.SIGINT)
        assert heard() is None
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_off_the_main_thread_nobody_listens(handlers):
    mine, seen = [signal.getsignal(one) for one in HEARD], []

    def other():
        with listening() as heard:
            seen.extend([heard(), [signal.getsignal(one) for one in HEARD]])

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert seen == [None, mine]
