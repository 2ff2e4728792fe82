"""Signs of life between processes that have met."""

import socket
import threading
import time

import pytest

from funclearn.devices import _signs

SECONDS = 0.5


@pytest.fixture
def ends():
    """Two ends of a connection, closed in the end."""
    pair = socket.socketpair()
    yield pair
    for one in pair:
        one.close()


@pytest.fixture
def told():
    """What is told of processes that are silent."""
    found, there = [], threading.Event()

    def tell(*silent):
        found.append(silent)
        there.set()

    with _signs.when_silent(tell):
        yield found, there


def test_who_gives_no_sign_is_told(ends, told):
    found, there = told
    watching = _signs.Signs({3: ends[0]}, SECONDS)
    began = time.monotonic()
    assert there.wait(20)
    assert time.monotonic() - began > 0.9 * SECONDS
    assert found[0] == (3, SECONDS)
    ends[1].close()
    watching.join(20)
    assert not watching.is_alive()


@pytest.mark.slow
def test_two_who_give_signs_wait_until_one_goes(ends, told):
    found, there = told
    # The second has more patience, as one that has much to do gives signs late.
    one = _signs.Signs({1: ends[0]}, 10 * SECONDS)
    other = _signs.Signs({0: ends[1].dup()}, 40 * SECONDS)
    assert not there.wait(3 * SECONDS)
    assert one.is_alive() and other.is_alive() and not found
    ends[0].shutdown(socket.SHUT_RDWR)
    one.join(20)
    other.join(20)
    assert not one.is_alive() and not other.is_alive() and not found


def test_without_anybody_to_tell_nothing_happens(ends):
    watching = _signs.Signs({1: ends[0]}, 0.05)
    time.sleep(0.3)
    assert watching.is_alive()
    ends[1].close()
    watching.join(20)
    assert not watching.is_alive()


def test_who_stood_still_does_not_blame_others(ends, told, monkeypatch):
    """As after a laptop has slept: hours have gone, of which one pause counts."""
    found, there = told
    hours = iter(range(0, 10**9, 10_000))
    monkeypatch.setattr(_signs.time, "monotonic", lambda: next(hours))
    watching = _signs.Signs({1: ends[0]}, SECONDS)
    assert not there.wait(0.15 * SECONDS)
    ends[1].close()
    watching.join(20)
    assert not found
