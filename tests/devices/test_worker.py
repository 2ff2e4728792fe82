"""How a process ends that is one of several."""

import signal

import pytest

from funclearn import devices
from funclearn.devices import _worker
from tests.devices.processes import pair

TOGETHER = """
import os, signal, sys, threading, time
import jax, jax.numpy as jnp
from funclearn import devices
number = int(sys.argv[2])

def kill():
    print(time.time(), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

def main():
    devices.initialise(sys.argv[1], 2, number)
    rows = devices.shard(jnp.ones(2), devices.mesh())
    total = jax.jit(jnp.sum)
    total(rows).block_until_ready()
    if number == 1 and FAULT == "kill":
        threading.Timer(0.2, kill).start()
    for step in range(10**9):
        total(rows).block_until_ready()
        if number == 1 and FAULT == "raise" and step == 10:
            print(time.time())
            raise ValueError("bad data")

devices.worker(main)
"""
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


@pytest.mark.parametrize(
    "fault, status", [("kill", -signal.SIGKILL), ("raise", 1)], ids=["kill", "raise"]
)
def test_all_end_soon_after_one(fault, status, tmp_path):
    script = tmp_path / "train.py"
    script.write_text(f"FAULT = {fault!r}\n{TOGETHER}", "utf-8")
    survivor, lost = pair(script, script)
    assert (survivor.status, lost.status) == (75, status), survivor.error
    began = float(lost.out.splitlines()[-1])
    assert survivor.time - began < 2 and lost.time - began < 2
    assert "process 0 of 2 ends with status 75" in survivor.error
    assert ("ValueError: bad data" in lost.error) == (fault == "raise")
