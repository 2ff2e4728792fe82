"""A lock that ends with its process."""

import os
import signal
import subprocess
import sys

import pytest

from funclearn.running._lock import locked

HOLD = """
import sys, time
from pathlib import Path
from funclearn.running._lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_folder_is_held_by_one_at_a_time(tmp_path):
    with locked(tmp_path):
        with pytest.raises(
            ValueError, match=f"folder is in use: process {os.getpid()}"
        ):
            with locked(tmp_path):
                pass
    with locked(tmp_path):
        pass


def test_the_lock_of_a_killed_process_is_gone(tmp_path):
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    with pytest.raises(ValueError, match=f"process {child.pid} runs in"):
        with locked(tmp_path):
            pass
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    with locked(tmp_path):
        pass
