"""Locks on open files, and the processes that hold them."""

import contextlib
import errno
import subprocess
import sys
import threading
import time
import types

import pytest

from funclearn import _locks
from funclearn._locks import lock

posix = pytest.mark.skipif(sys.platform == "win32", reason="locks of POSIX")

# The file alone, since the library takes a second to import.
HOLD = """
import runpy, sys, time
lock = runpy.run_path(sys.argv[1])["lock"]
file = open(sys.argv[2], "a+b")
assert lock(file)
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "lock"


def test_one_at_a_time_holds_a_file_until_it_is_closed(path):
    with open(path, "a+b") as first, open(path, "a+b") as second:
        assert lock(first) and not lock(second)
        first.close()
        assert lock(second)


def test_the_position_stays_and_the_content_can_be_read(path):
    path.write_bytes(b"holder")
    with open(path, "r+b") as first:
        first.seek(3)
        assert lock(first)
        assert first.tell() == 3 and first.read() == b"der"
        assert path.read_bytes() == b"holder"


def test_who_waits_gets_it_next(path):
    held = []

    def wait():
        with open(path, "a+b") as file:
            held.append(lock(file, wait=True))

    with open(path, "a+b") as first:
        assert lock(first)
        waiting = threading.Thread(target=wait)
        waiting.start()
        waiting.join(0.1)
        assert waiting.is_alive() and not held
    waiting.join(10)
    assert held == [True]


@pytest.mark.parametrize("wait", [False, True])
def test_the_lock_of_a_killed_process_is_gone(path, wait):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, _locks.__file__, path], stdout=subprocess.PIPE
    ) as child:
        assert child.stdout and child.stdout.readline() == b"held\n"
        with open(path, "a+b") as file:
            assert not lock(file)
            child.kill()
            if not wait:
                child.wait()
            assert lock(file, wait=wait)


@posix
def test_a_file_system_without_locks_is_an_error(path, monkeypatch):
    import fcntl

    def none(file, operation):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    with open(path, "a+b") as file, pytest.raises(OSError, match="No locks"):
        lock(file)


@pytest.mark.parametrize(
    ("answers", "wait", "had"),
    [
        ([0], False, True),
        ([errno.EACCES], False, False),
        ([errno.EACCES, errno.EACCES, 0], True, True),
        ([errno.EACCES, errno.EINVAL], True, None),
    ],
)
def test_windows_is_asked_beyond_the_content(path, monkeypatch, answers, wait, had):
    places = []

    def locking(descriptor, mode, size):
        places.append(_locks.os.lseek(descriptor, 0, 1))
        if answer := answers[len(places) - 1]:
            raise OSError(answer, "refused")

    windows = types.SimpleNamespace(LK_NBLCK=2, locking=locking)
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setitem(sys.modules, "msvcrt", windows)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    path.write_bytes(b"abc")
    with open(path, "r+b") as file:
        file.seek(2)
        with pytest.raises(OSError) if had is None else contextlib.nullcontext():
            assert lock(file, wait=wait) is had
        assert file.tell() == 2
    assert len(places) == len(answers) and min(places) > 10**6
