"""One script: what its starts are for, and what is said of them."""

import sys

import pytest

from funclearn.testing._children import Kill, start
from funclearn.testing._copies import Copies
from funclearn.testing._scripts import Script

pytestmark = pytest.mark.usefixtures("aside")


CODE = """
import sys, time
with open(sys.argv[1] + "/log", "a+") as log:
    log.seek(0)
    for step in range(len(log.read()), 3):
        log.write(str(step))
        log.flush()
        time.sleep(0.03)
"""


@pytest.fixture
def script(tmp_path):
    """Makes one; its copies go when the test ends."""
    folder = tmp_path / "folder"

    def made(code, result="log"):
        command = [sys.executable, "-I", "-S", "-c", code, str(folder)]
        return Script(command, copies, result, 20.0)

    with Copies(folder) as copies:
        yield made


def test_kills_are_counted(script):
    one = script(CODE)
    writes, (first, last) = one.run_uninterrupted()
    assert 2 <= writes <= 4 and 0 < first < last
    one.crash(Kill(writes=2))
    one.crash(Kill(seconds=last))
    assert one.resumed == 2 and one.kills >= 4


def test_a_kill_that_cannot_land_is_tried_earlier(script):
    one = script(CODE)
    one.run_uninterrupted()
    one.crash(Kill(writes=400))
    one.crash(Kill(seconds=40.0))
    assert one.resumed == 2


def test_what_ends_before_every_kill_is_no_proof(script, fails, monkeypatch):
    one = script(CODE)
    one.run_uninterrupted()
    starts = []

    def unkilled(command, folder, output, kill, seconds):
        starts.append(kill)
        return start(command, folder, output, None, seconds)

    monkeypatch.setattr("funclearn.testing._scripts.start", unkilled)
    message = fails(one.crash, Kill(writes=2))
    assert "in 5 tries it had ended before a kill right after write 1" in message
    assert [kill.writes for kill in starts] == [2, 1, 1, 1, 1]


def test_a_signal_is_named(script, fails):
    one = script("import os; os.abort()")
    assert "uninterrupted, it was ended by signal 6." in fails(one.run_uninterrupted)


def test_another_result_of_a_start_that_was_to_be_killed_counts(script, fails):
    """The start that a kill missed came to its end, and is judged."""
    one = script(CODE)
    one.run_uninterrupted()
    one._expected = {"log": b"other"}
    message = fails(one.crash, Kill(writes=400))
    assert "log differs from byte 0 on: b'012', uninterrupted b'other'" in message
