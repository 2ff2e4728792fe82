"""How a process ends that is one of several."""

import re
import signal

import pytest

from funclearn import devices
from funclearn.devices import _worker
from tests.processes import free_address, pair, started

TOGETHER = """
import os, signal, sys, threading, time
import jax, jax.numpy as jnp
from funclearn import devices
number = int(sys.argv[2])

def kill():
    print("at", time.time(), flush=True)
    os.kill(os.getpid(), signal.Signals[FAULT])

def main():
    devices.initialise(sys.argv[1], 2, number, heartbeat=HEARTBEAT)
    rows = devices.shard(jnp.ones(2), devices.mesh())
    total = jax.jit(jnp.sum)
    total(rows).block_until_ready()
    if number == 1 and FAULT in signal.Signals.__members__:
        threading.Timer(0.2, kill).start()
    for step in range(10**9):
        total(rows).block_until_ready()
        if number == 0 and FAULT == "raise" and step == 10:
            print("at", time.time())
            raise ValueError("bad data")

devices.worker(main)
"""
HEARTBEAT = 3
GLOO = "UNKNOWN: Gloo all-reduce failed: [pair.cc:547] Connection closed by peer [::1]"


class Left(BaseException):
    """In place of an end."""


@pytest.fixture
def several(monkeypatch):
    def leave(status):
        raise Left(status)

    monkeypatch.setattr(_worker, "process_of", lambda: (1, 3))
    monkeypatch.setattr(_worker.os, "_exit", leave)


def raising(error, cause=None):
    def main():
        raise error from cause

    return main


def test_it_returns_what_main_returns():
    assert devices.worker(lambda: 3) == 3


def test_alone_errors_are_raised():
    for error in (ValueError(GLOO), KeyError("x"), SystemExit(3), KeyboardInterrupt()):
        with pytest.raises(type(error)) as caught:
            devices.worker(raising(error))
        assert caught.value is error


@pytest.mark.parametrize(
    "error, cause",
    [
        (ValueError(GLOO), None),
        (RuntimeError("one of 3 processes was lost, with its lanes"), None),
        (KeyError("loss"), ValueError("[1.2.3.4]: Connection reset by peer")),
    ],
)
def test_a_lost_peer_is_status_75(error, cause, several, capsys):
    with pytest.raises(Left) as caught:
        devices.worker(raising(error, cause))
    assert caught.value.args == (75,)
    told = capsys.readouterr().err
    assert told.startswith("funclearn: process 1 of 3 ends with status 75")
    assert told.count("\n") == 1


@pytest.mark.parametrize(
    "error", [ValueError("bad data"), ConnectionResetError("reset by peer")]
)
def test_other_errors_are_status_1(error, several, capsys):
    with pytest.raises(Left) as caught:
        devices.worker(raising(error))
    assert caught.value.args == (1,)
    told = capsys.readouterr().err
    assert told.startswith("Traceback") and told.endswith(f"{error}\n")


@pytest.mark.parametrize("error", [SystemExit(143), KeyboardInterrupt()])
def test_an_end_asked_for_keeps_its_status(error, several):
    with pytest.raises(type(error)) as caught:
        devices.worker(raising(error))
    assert caught.value is error


def test_survivors_of_a_killed_process_end(tmp_path):
    survivor, lost = together("SIGKILL", tmp_path)
    assert (survivor.status, lost.status) == (75, -signal.SIGKILL), survivor.error
    assert "process 0 of 2 ends with status 75" in survivor.error


@pytest.mark.slow
def test_nobody_waits_for_a_process_that_failed(tmp_path):
    failed, survivor = together("raise", tmp_path)
    assert failed.status == 1 and "ValueError: bad data" in failed.error
    # Without process 0, JAX may be faster to end the others.
    assert survivor.status in (75, -signal.SIGABRT), survivor.error


@pytest.mark.slow
def test_nobody_waits_for_a_process_that_stands_still(tmp_path):
    script, address = written("SIGSTOP", tmp_path), free_address()
    workers = [started(script, address, number) for number in (0, 1)]
    try:
        _, error = workers[0].communicate(timeout=100)
        assert workers[0].returncode == 75, error
        assert f"process 1 has given no sign for {HEARTBEAT} s" in error
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()


def written(fault, folder):
    script = folder / "train.py"
    settings = f"FAULT, HEARTBEAT = {fault!r}, {HEARTBEAT}\n"
    script.write_text(settings + TOGETHER, "utf-8")
    return script


def together(fault, folder):
    """Two processes of which one ends, and the other within two seconds of it."""
    script = written(fault, folder)
    ended = pair(script, script)
    (began,) = re.findall(r"^at (.+)$", "\n".join(one.out for one in ended), re.M)
    assert all(one.time - float(began) < 2 for one in ended), ended
    return ended
