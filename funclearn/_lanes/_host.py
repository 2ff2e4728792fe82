"""Threads that compile and run blocks, while the one that called stays free.

Python answers Ctrl-C in its main thread alone, and only between two instructions of its
own, which a thread in XLA is not at for as long as a compilation or a block lasts. So
none of these is left to the thread that called: it waits, and is interrupted at once.
The blocks that run by then cannot be; no other is begun.
"""

import atexit
import collections
import contextlib
import functools
import math
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias, TypeVar

import jax
import jax.numpy as jnp

__all__ = ["Clock", "call", "n_threads", "run_all"]

T = TypeVar("T")

_Work: TypeAlias = Callable[[], None]

_WORTH_THREADS = 2e-3  # seconds
_LOOKS = 0.1  # seconds; on Windows Ctrl-C does not end a wait, and displays move
# Seconds that the end of a process waits for work before it ends, after an interrupt
# that nobody took, or says why it waits.
_PATIENCE = 1.0


def call(function: Callable[[], T]) -> T:
    """Calls a function; Ctrl-C is answered at once, and the function runs on."""
    results: list[T] = []
    run_all(lambda _: results.append(function()), [None], Clock())
    return results[0]


class Clock:
    """How long a task takes.

    Attributes:
        seconds: the last one did; None as long as none has been done.
    """

    def __init__(self) -> None:
        self.seconds: float | None = None

    def time(self, run: Callable[[T], None], task: T) -> float:
        """Does a task and says how long it took."""
        started = time.perf_counter()
        run(task)
        self.seconds = time.perf_counter() - started
        return self.seconds


def run_all(
    run: Callable[[T], None],
    tasks: Iterable[T],
    clock: Clock,
    look: Callable[[], None] | None = None,
    n_devices: int = 1,
) -> None:
    """Calls `run(task)` for all tasks, on several threads where it takes long.

    Where a call raises an exception, or the caller is interrupted, no other begins.

    Args:
        run: what to do.
        tasks: with what.
        clock: of earlier tasks like these. While it knows nothing, the first task runs
            alone, and sets it.
        look: called about ten times a second while they run, by the thread that waits.
        n_devices: how many devices do what `run` asks for.
    """
    left = collections.deque(tasks)
    errors: list[BaseException] = []
    ends: list[threading.Event] = []
    settings = _settings_of_this_thread()

    def failed(error: BaseException) -> None:
        left.clear()
        errors.append(error)

    def begin(work: _Work) -> None:
        ends.append(threading.Event())
        _give(functools.partial(_guarded, work, settings, failed), ends[-1])

    def first() -> None:
        seconds = clock.seconds or clock.time(run, left.popleft())
        for _ in range(_n_others(len(left), seconds, n_devices)):
            begin(rest)
        rest()

    def rest() -> None:
        for task in _taken_from(left):
            clock.time(run, task)

    try:
        if left:
            begin(first)
        _wait_for(ends, look=look)
    except BaseException:
        left.clear()
        _abandoned.update(ends)
        raise
    if errors:
        raise errors.pop(0)


def _guarded(
    work: _Work,
    settings: Callable[[], contextlib.ExitStack],
    failed: Callable[[BaseException], None],
) -> None:
    try:
        with settings():
            work()
    except BaseException as error:
        failed(error)


def _n_others(n_tasks: int, seconds: float, n_devices: int) -> int:
    """How many threads are worth to help with tasks that take so long."""
    worth = n_tasks * seconds > _WORTH_THREADS
    return min(n_tasks, n_threads(n_devices)) - 1 if worth else 0


def _wait_for(
    ends: Iterable[threading.Event],
    deadline: float = math.inf,
    look: Callable[[], None] | None = None,
) -> bool:
    """Whether they were all set by a point in time."""
    for end in ends:  # which grow while the first one lasts
        while not end.wait(_LOOKS):
            if time.monotonic() > deadline:
                return False
            if look is not None:
                look()
    return True


def _settings_of_this_thread() -> Callable[[], contextlib.ExitStack]:
    """Settings that JAX may keep for this thread alone, as a context for another."""
    config: Any = jax.config
    double = jnp.result_type(float) == jnp.float64
    nans, infs = config.jax_debug_nans, config.jax_debug_infs

    def settings() -> contextlib.ExitStack:
        with contextlib.ExitStack() as stack:
            stack.enter_context(jax.enable_x64(double))
            stack.enter_context(jax.debug_nans(nans))
            stack.enter_context(jax.debug_infs(infs))
            return stack.pop_all()

    return settings


def _taken_from(left: collections.deque[T]) -> Iterator[T]:
    # Several threads may see the last task, and one gets it.
    with contextlib.suppress(IndexError):
        while True:
            yield left.popleft()


def n_threads(n_devices: int) -> int:
    """How many threads keep so many devices busy; on a CPU they share its cores."""
    cores = (os.cpu_count() or 1) if jax.default_backend() == "cpu" else 1
    return max(n_devices, cores)


class _Worker(threading.Thread):
    """A thread that does one piece of work after the other."""

    def __init__(self) -> None:
        # Python would wait for other than daemon threads when it ends.
        super().__init__(name="funclearn", daemon=True)
        self.given: queue.SimpleQueue[tuple[_Work, threading.Event]]
        self.given = queue.SimpleQueue()

    def run(self) -> None:
        """Waits for work, and tells its end."""
        while True:
            work, end = self.given.get()
            work()
            del work  # with all that it holds
            _idle.append(self)
            end.set()


_idle: list[_Worker] = []
"""Threads without work; to begin one, and JAX in it, takes as long as a small block."""

_abandoned: set[threading.Event] = set()
"""The ends of work whose caller was interrupted."""

# A process that was forked has none of its parent's threads.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_idle.clear)


def _give(work: _Work, end: threading.Event) -> None:
    try:
        worker = _idle.pop()
    except IndexError:
        worker = _Worker()
        worker.start()
    worker.given.put((work, end))


@atexit.register
def _end() -> None:
    """Waits for abandoned work, as Python does for threads; Ctrl-C ends the process.

    A thread that comes back from XLA while Python ends is unwound through C++, which
    aborts the process (Python 3.11 and 3.13).
    """
    interrupted = getattr(sys, "last_type", None) is KeyboardInterrupt
    deadline = time.monotonic() + _PATIENCE
    try:
        while not _wait_for(_abandoned, deadline) and not interrupted:
            print(
                "funclearn waits for what an interrupted sweep still computes; "
                "Ctrl-C ends it.",
                file=sys.stderr,
            )
            deadline = math.inf
    except KeyboardInterrupt:
        interrupted = True
    if interrupted and not all(end.is_set() for end in _abandoned):
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        # As Python itself ends after an interrupt that nobody took.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.raise_signal(signal.SIGINT)
