"""Scripts are started, killed with all that they started, and never left behind."""

import os
import signal
import sys

import pytest

from funclearn.testing._children import Kill, start
from funclearn.testing._watching import Changes

SLOW = """
import subprocess, sys, time
child = subprocess.Popen(["sleep", "60"])
open(sys.argv[1] + "/" + str(child.pid), "w").close()
time.sleep(60)
"""


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    return folder


@pytest.fixture
def started(folder, tmp_path):
    output = tmp_path / "output"
    output.mkdir()

    def of(code, kill=None, seconds=20.0):
        command = [sys.executable, "-I", "-S", "-c", code, str(folder)]
        return start(command, folder, output, kill, seconds)

    return of


def lives(pid):
    """A process that nobody has reaped is dead all the same."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def test_what_a_script_did_is_told(started):
    code = """
import sys
for name in "ab":
    open(sys.argv[1] + "/" + name, "w").close()
for line in range(30):
    print(line, file=sys.stderr)
sys.exit(3)
"""
    ended = started(code)
    assert (ended.status, ended.killed, ended.writes) == (3, False, 2)
    assert 0 < ended.busy[0] <= ended.busy[1] <= ended.seconds < 20
    assert ended.errors.splitlines() == [str(line) for line in range(18, 30)]


linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@linux
@pytest.mark.parametrize("kill", [Kill(writes=1), Kill(seconds=0.2)])
def test_a_kill_lands_on_the_whole_group(started, folder, kill):
    ended = started(SLOW, kill)
    assert ended.killed and ended.status == -signal.SIGKILL and ended.seconds < 5
    (pid,) = os.listdir(folder)
    assert not lives(int(pid))


def test_a_script_that_had_ended_was_not_killed(started):
    ended = started("", Kill(writes=1))
    assert not ended.killed and ended.status == 0


@linux
def test_what_takes_too_long_is_ended(started, folder):
    ended = started(SLOW, seconds=0.2)
    assert ended.status is None and not ended.killed and ended.seconds < 5
    (pid,) = os.listdir(folder)
    assert not lives(int(pid))


@linux
def test_an_interrupt_ends_the_script_too(started, folder, monkeypatch):
    wait = Changes.wait

    def interrupted(self, count, seconds):
        wait(self, count, seconds)
        if self.count:
            raise KeyboardInterrupt

    monkeypatch.setattr(Changes, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        started(SLOW)
    (pid,) = os.listdir(folder)
    assert not lives(int(pid))


def test_kills_in_words():
    assert str(Kill(writes=3)) == "right after write 3"
    assert str(Kill(seconds=0.25)) == "0.250 s after its start"
