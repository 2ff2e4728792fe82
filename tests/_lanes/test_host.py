"""Threads that run blocks, and what ends them."""

import contextlib
import functools
import os
import re
import signal
import subprocess
import sys
import threading
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funclearn._lanes import _host as host
from funclearn.sweeps import sweep
from tests.runs import RATES, descend, equal, run_of

N_THREADS = 3


@pytest.fixture
def threads(monkeypatch):
    monkeypatch.setattr(host, "_WORTH_THREADS", 0.0)
    monkeypatch.setattr(host, "n_threads", lambda _: N_THREADS)


def test_threads_change_no_bit(monkeypatch):
    grid = {"learning_rate": np.tile(RATES, 40)}
    alone = sweep(run_of("line"), grid, block_size=16).result
    monkeypatch.setattr(host, "_WORTH_THREADS", 0.0)
    monkeypatch.setattr(host, "n_threads", lambda _: 4)
    assert equal(alone, sweep(run_of("line"), grid, block_size=16).result)


def test_threads_keep_double_precision(float64, threads):
    rates = np.linspace(0, 1, 100)
    result = sweep(descend, {"learning_rate": rates}, block_size=8).result
    assert result.dtype == np.float64
    np.testing.assert_allclose(result, (1 - rates) ** 20, rtol=1e-13, atol=1e-16)


def test_threads_look_for_nan_where_the_caller_does(threads):
    with jax.debug_nans(True), pytest.raises(Exception, match="nan"):
        sweep(lambda x: jnp.log(x), {"x": -jnp.arange(1.0, 5.0)}, block_size=1)


def test_every_task_is_run_once(threads):
    ran = []
    host.run_all(ran.append, range(100), host.Clock())
    assert sorted(ran) == list(range(100))
    host.run_all(ran.append, [], host.Clock())
    assert len(ran) == 100


def test_only_tasks_of_unknown_length_keep_the_others_waiting(threads):
    clock = host.Clock()
    together = threading.Barrier(2)

    def meet(_, seconds=30.0):
        together.wait(seconds)

    host.run_all(lambda _: time.sleep(0.01), range(1), clock)
    assert clock.seconds is not None and 0.01 <= clock.seconds < 1
    host.run_all(meet, range(2), clock)
    with pytest.raises(threading.BrokenBarrierError):
        host.run_all(functools.partial(meet, seconds=0.1), range(2), host.Clock())


def test_call_hands_on_the_result_and_the_error():
    assert host.call(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        host.call(lambda: 1 / 0)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("at", [0, 7])
def test_after_an_error_the_running_tasks_alone_end(threads, error, at):
    begun = []

    def run(number):
        begun.append(number)
        if number == at:
            raise error("seven")
        time.sleep(0.02)

    with pytest.raises(error, match="seven"):
        host.run_all(run, range(200), host.Clock())
    after = len(begun)
    assert after <= at + N_THREADS
    time.sleep(0.1)
    assert len(begun) == after


def test_an_error_of_a_callback_ends_a_sweep(threads, caplog):
    called = []

    def callback(x):
        called.append(x)
        time.sleep(0.02)
        raise RuntimeError("boom")

    def run(x):
        shape = jax.ShapeDtypeStruct((), x.dtype)
        return jax.pure_callback(callback, shape, x, vmap_method="sequential")

    with pytest.raises(Exception, match="boom"):
        sweep(run, {"x": jnp.arange(50.0)}, block_size=1)
    assert len(called) == 1


@pytest.fixture
def interrupts():
    # A shell's job in the background ignores them.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_interrupt_is_answered_while_a_task_runs(interrupts):
    begun, done = [], threading.Event()

    def run(number):
        begun.append(number)
        signal.raise_signal(signal.SIGINT)  # which the main thread gets
        done.wait(30)

    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        host.run_all(run, range(5), host.Clock())
    assert time.monotonic() - started < 1
    assert begun == [0]
    (left,) = host._abandoned
    done.set()
    assert left.wait(10)
    assert begun == [0]
    host._abandoned.clear()


PROGRAM = """
import os, signal, sys, threading, time

# What a shell starts in the background ignores it, and so do its children.
signal.signal(signal.SIGINT, signal.default_int_handler)

import jax, jax.numpy as jnp
import funclearn as fl
from funclearn import sweeps, validation

lanes, trips, kind, catch = int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:5]
progress = sys.argv[5] == "shown"
keep = jnp.arange(8.0)
masks = validation.hold_out(jax.random.key(0), keep, lanes)

def run(rate, trips):
    return jax.lax.fori_loop(0, trips, lambda _, x: jnp.sin(x) + rate, rate)

def train(train, held_out, key):
    return run(train.inputs[0], train.targets[0])

def evaluate(fitted, rows):
    return fitted

def call(trips):
    if kind == "sweep":
        grid = {"rate": jnp.linspace(0, 1, lanes), "trips": [trips]}
        sweeps.sweep(run, grid, block_size=64, progress=progress)
    else:
        rows = fl.Dataset(keep, jnp.full(8, trips))
        validation.cross_validate(
            jax.random.key(0),
            train,
            rows,
            masks,
            evaluate=evaluate,
            progress=progress,
        )

def interrupt():
    global sent
    time.sleep(2.0)  # by then, on a busy machine too, lanes run and are shown
    sent = time.monotonic()
    os.kill(os.getpid(), signal.SIGINT)

call(1)  # compiles
print("begins", file=sys.stderr)
threading.Thread(target=interrupt).start()
try:
    while True:
        call(trips)
except KeyboardInterrupt:
    print("answered after", time.monotonic() - sent, flush=True)
    if catch == "raise":
        raise
    if catch == "catch, interrupt again":
        again = threading.Timer(3.0, os.kill, (os.getpid(), signal.SIGINT))
        again.daemon = True  # or Python would wait for it first
        again.start()
"""


def ran_on_a_terminal(arguments):
    """Runs it with a terminal for its errors, and returns what it wrote."""
    import pty

    ours, theirs = pty.openpty()
    shown = []

    def read():
        # The end of a terminal is an error on Linux.
        with contextlib.suppress(OSError):
            while text := os.read(ours, 1 << 16):
                shown.append(text)

    reader = threading.Thread(target=read)
    reader.start()
    ended = subprocess.run(
        arguments,
        stdout=subprocess.PIPE,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm-256color"},
        text=True,
        timeout=300,
        check=False,
    )
    os.close(theirs)
    reader.join()
    os.close(ours)
    ended.stderr = b"".join(shown).decode()
    return ended


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
@pytest.mark.parametrize(
    ("lanes", "trips", "kind", "catch", "progress"),
    [
        ("20000", "20000", "sweep", "catch", "shown"),  # many blocks
        ("64", "1000000000", "sweep", "raise", "shown"),  # one block, of minutes
        ("64", "1000000000", "sweep", "catch, interrupt again", "not shown"),
        ("64", "20000000", "sweep", "catch", "not shown"),  # one block, of seconds
        ("5000", "400000", "cross_validate", "catch", "shown"),
    ],
)
@pytest.mark.slow
def test_ctrl_c_is_answered_within_a_second(lanes, trips, kind, catch, progress):
    started = time.monotonic()
    ended = ran_on_a_terminal(
        [sys.executable, "-c", PROGRAM, lanes, trips, kind, catch, progress]
    )
    answered = ended.stdout.split("answered after ")
    assert len(answered) == 2, ended.stderr
    assert float(answered[1]) < 1
    # It ends as Python does, and without a crash: it waits for a block of seconds, but
    # not once it is interrupted.
    assert ended.returncode in ([0] if catch == "catch" else [-signal.SIGINT, 130])
    assert time.monotonic() - started < 60
    if progress == "shown":
        drawn = ended.stderr.split("begins")[1]
        assert re.search(rf"\d / {int(lanes):,}", drawn)
        assert drawn.rindex("\x1b[?25h") > drawn.rindex("\x1b[?25l")
    waits = "an interrupted sweep still computes" in ended.stderr
    assert waits or trips != "20000000"
