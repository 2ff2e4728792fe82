"""Calls side by side in processes of their own, so that no core is idle.

Much of an experiment is tracing, compiling and drawing, which keep one core busy.
"""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Generic, TypeVar

import jax

__all__ = ["Died", "n_processes", "side_by_side"]

T = TypeVar("T")

_MOST = 4  # processes; each takes about a GiB and some seconds to start


class Died(Exception):
    """The process that ran a call ended before the call did."""


def n_processes(n_calls: int) -> int:
    """How many processes to take; one where they would share an accelerator."""
    if jax.default_backend() != "cpu":
        return 1
    return min(n_calls, os.cpu_count() or 1, _MOST)


def side_by_side(
    function: Callable[[str], T],
    names: Sequence[str],
    processes: int,
    prepare: Callable[[], None],
) -> Generator[tuple[str, T | Died]]:
    """Calls a function of a module with every name, the last ones first.

    An interrupt is left to the caller: the processes end when the iterator is closed,
    and when this process ends in whatever way.

    Args:
        function: what to call; it and what it returns go through pickle.
        names: its arguments.
        processes: how many to use, at most.
        prepare: what each of them calls first.

    Yields:
        A name and what the function returned, as soon as it is there.
    """
    left = list(names)
    busy: dict[object, tuple[_Worker[T], str]] = {}
    with contextlib.ExitStack() as workers:

        def give(worker: _Worker[T] | None) -> None:
            if left:
                worker = worker or workers.enter_context(_Worker(prepare, function))
                worker.connection.send(left[-1])
                busy[worker.connection] = worker, left.pop()

        for _ in range(processes):
            give(None)
        while busy:
            for connection in wait([worker.connection for worker, _ in busy.values()]):
                worker, name = busy.pop(connection)
                result = worker.receive()
                give(None if isinstance(result, Died) else worker)
                yield name, result


class _Worker(Generic[T]):
    """A process that calls a function with what it is sent; a context that ends it."""

    def __init__(
        self, prepare: Callable[[], None], function: Callable[[str], T]
    ) -> None:
        # Spawned, since JAX's threads do not survive a fork.
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(prepare, function, theirs), daemon=True
        )
        with _interrupts_ignored():
            self._process.start()
        theirs.close()

    def receive(self) -> T | Died:
        """Waits for a result."""
        try:
            return self.connection.recv()
        except (EOFError, OSError):
            self._process.join()
            return Died(f"its process ended with status {self._process.exitcode}.")

    def __enter__(self) -> "_Worker[T]":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.join()
        self.connection.close()


@contextlib.contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Has processes that are started ignore Ctrl-C, which is for this one to answer."""
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


def _serve(
    prepare: Callable[[], None],
    function: Callable[[str], object],
    connection: Connection,
) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    prepare()
    with contextlib.suppress(EOFError, OSError):
        while True:
            connection.send(function(connection.recv()))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
