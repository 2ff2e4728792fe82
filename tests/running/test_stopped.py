"""Exceptions that carry a run, and how a process ends by them."""

import signal
import subprocess
import sys
from typing import Any

import pytest

from funclearn.running import Failed, Interrupted, Stopped, Terminated

RAISE = """
import sys
from funclearn.running import Interrupted, Terminated
raise {0}("told so", None, {1})
"""


A_RUN: Any = "a run"


def test_they_are_caught_as_what_they_stand_for():
    interrupted = Interrupted("told so", A_RUN, signal.SIGINT)
    assert isinstance(interrupted, (Stopped, KeyboardInterrupt))
    assert isinstance(interrupted, KeyboardInterrupt) and interrupted.run == "a run"
    terminated = Terminated("told so", A_RUN, signal.SIGTERM)
    assert isinstance(terminated, SystemExit) and terminated.code == 143
    assert isinstance(terminated, Stopped) and str(terminated) == "told so"
    assert not issubclass(Stopped, Exception)
    failed = Failed("why", A_RUN)
    assert isinstance(failed, RuntimeError) and failed.run == "a run"


@pytest.mark.parametrize(
    "kind, number, status",
    [("Interrupted", 2, 130), ("Terminated", 15, 143)],
)
def test_a_process_ends_with_the_status_of_the_signal(kind, number, status):
    child = subprocess.run(
        [sys.executable, "-c", RAISE.format(kind, number)], capture_output=True
    )
    assert child.returncode == status
