"""How a process ends that is one of several."""

import contextlib
import os
import re
import sys
import traceback
from collections.abc import Callable
from typing import NoReturn, TypeVar

from funclearn._jaxprs import process_of
from funclearn.devices._signs import when_silent

__all__ = ["worker"]

_R = TypeVar("_R")
_AGAIN = 75  # EX_TEMPFAIL of sysexits.h
_LOST = re.compile(
    r"gloo|nccl|closed by peer|reset by peer|one of \d+ processes was lost"
    r"|heartbeat|coordination ?service",
    re.IGNORECASE,
)


def worker(main: Callable[[], _R]) -> _R:
    """Calls the main function of a script that several processes run.

    If it raises since another process was lost, or one gives no sign for as long as
    `initialise` was told, this process says so in one line and ends at once with status
    75, by which a scheduler knows to start the job again. If it raises anything else,
    the traceback is printed and this process ends at once with status 1, so that the
    others do not wait for it. At once means without exit handlers and `finally` further
    up: in order, Python would wait for the others.

    In one process alone, errors are raised as ever; so are `SystemExit` and
    `KeyboardInterrupt` in any, such as those by which `funclearn.running.run` ends.

    Args:
        main: called without arguments.

    Returns:
        What it returns.

    Example:
        >>> fl.devices.worker(lambda: "trained")
        'trained'
    """
    try:
        with when_silent(_leave_the_silent):
            return main()
    except Exception as error:
        if process_of()[1] == 1:
            raise
        if _is_loss(error):
            _leave_again("another was lost: " + str(error).partition("\n")[0])
        _say(traceback.format_exc())
        _leave(1)


def _leave_the_silent(silent: int, seconds: float) -> NoReturn:
    _leave_again(f"process {silent} has given no sign for {seconds:g} s")


def _leave_again(why: str) -> NoReturn:
    process, processes = process_of()
    _say(
        f"funclearn: process {process} of {processes} ends with status {_AGAIN}, since "
        f"{why}\n"
    )
    _leave(_AGAIN)


def _is_loss(error: BaseException | None) -> bool:
    """Whether an error, or one that led to it, is what JAX raises for a lost peer."""
    while error is not None:
        # JAX has no class for it; a connection of the user's own raises OSError.
        if isinstance(error, RuntimeError | ValueError) and _LOST.search(str(error)):
            return True
        error = error.__cause__ or error.__context__
    return False


def _say(text: str) -> None:
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(text)


def _leave(status: int) -> NoReturn:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)
