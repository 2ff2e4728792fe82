import gc
import signal
import sys
import time

import pytest

from experiments.harness._interrupts import until_interrupted


@pytest.fixture(autouse=True)
def interruptible():
    """Listens to interrupts, which the children of a background job ignore."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def _interrupt(phase="start", info=None):
    if phase == "start":
        signal.raise_signal(signal.SIGINT)


def test_status_is_that_of_the_command_line():
    assert until_interrupted(lambda: 3) == 3


def test_an_interrupt_ends_with_130():
    def main():
        _interrupt()
        return 0

    assert until_interrupted(main) == 130


def test_an_interrupt_inside_the_garbage_collector_is_not_lost():
    def collect():
        gc.callbacks.append(_interrupt)
        try:
            gc.collect()
        finally:
            gc.callbacks.remove(_interrupt)
        for _ in range(1000):
            time.sleep(0.01)
        return 0

    assert until_interrupted(collect) == 130


def test_other_errors_are_still_reported(capsys):
    class Careless:
        def __del__(self):
            raise ValueError("careless")

    def forget():
        Careless()
        return 0

    hook = sys.unraisablehook
    assert until_interrupted(forget) == 0
    assert "ValueError: careless" in capsys.readouterr().err
    assert sys.unraisablehook is hook
