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
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import jax
import jax.numpy as jnp

__all__ = ["call", "run_all"]

T = TypeVar("T")

_WORTH_THREADS = 2e-3  # seconds
_LOOKS = 0.1  # seconds; on Windows Ctrl-C does not end a wait
_PATIENCE = 1.0  # seconds

_abandoned: set[threading.Thread] = set()
"""Threads that were at work when their caller was interrupted."""


def call(function: Callable[[], T]) -> T:
    """Calls a function; Ctrl-C is answered at once, and the function runs on."""
    results: list[T] = []
    run_all(lambda _: results.append(function()), [None])
    return results[0]


def run_all(run: Callable[[T], None], tasks: Iterable[T]) -> None:
    """Calls `run(task)` for all tasks, on several threads where it takes long.

    Where a call raises an exception, or the caller is interrupted, no other begins.
    """
    queue = collections.deque(tasks)
    if not queue:
        return
    started = time.perf_counter()
    _work(run, collections.deque([queue.popleft()]), 1)
    left = len(queue) * (time.perf_counter() - started)
    if queue:
        n_threads = _n_threads() if left > _WORTH_THREADS else 1
        _work(run, queue, min(len(queue), n_threads))


def _work(
    run: Callable[[T], None], queue: collections.deque[T], n_threads: int
) -> None:
    errors: list[BaseException] = []
    settings = _settings()

    def work() -> None:
        try:
            with contextlib.ExitStack() as stack:
                for setting in settings:
                    stack.enter_context(setting())
                for task in _taken_from(queue):
                    run(task)
        except BaseException as error:
            queue.clear()
            errors.append(error)

    # Python would wait for other than daemon threads when it ends.
    threads = [threading.Thread(target=work, daemon=True) for _ in range(n_threads)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():
                thread.join(_LOOKS)
    except BaseException:
        queue.clear()
        _abandoned.update(threads)
        raise
    if errors:
        raise errors.pop(0)


def _settings() -> list[Callable[[], contextlib.AbstractContextManager[Any]]]:
    """Settings that JAX may keep for this thread alone."""
    config: Any = jax.config
    double = jnp.result_type(float) == jnp.float64
    return [
        functools.partial(jax.enable_x64, double),
        functools.partial(jax.debug_nans, config.jax_debug_nans),
        functools.partial(jax.debug_infs, config.jax_debug_infs),
    ]


def _taken_from(queue: collections.deque[T]) -> Iterator[T]:
    # Several threads may see the last task, and one gets it.
    with contextlib.suppress(IndexError):
        while True:
            yield queue.popleft()


def _n_threads() -> int:
    return (os.cpu_count() or 1) if jax.default_backend() == "cpu" else 1


@atexit.register
def _end() -> None:
    """Lets abandoned threads come back: in an interpreter that ends they abort it.

    (Python 3.11 and 3.13; a thread that returns from C++ is unwound there.) Where the
    interrupt is what ends the process, it does so in the end, whoever is still at work.
    """
    interrupted = getattr(sys, "last_type", None) is KeyboardInterrupt
    deadline = time.monotonic() + (_PATIENCE if interrupted else threading.TIMEOUT_MAX)
    try:
        for thread in _abandoned:
            while thread.is_alive() and time.monotonic() < deadline:
                thread.join(_LOOKS)
    except KeyboardInterrupt:
        interrupted = True
    if interrupted and any(thread.is_alive() for thread in _abandoned):
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        # As Python itself ends after an interrupt that nobody took.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.raise_signal(signal.SIGINT)
