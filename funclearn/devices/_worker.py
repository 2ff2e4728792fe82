"""How a process ends that is one of several."""

import contextlib
import os
import re
import sys
import traceback
from collections.abc import Callable
from typing import NoReturn, TypeVar

from funclearn._jaxprs import process_of

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

    If it raises since another process was lost, this process says so in one line and
    ends at once with status 75, by which a scheduler knows to start the job again. If
    it raises anything else, the traceback is printed and this process ends at once with
    status 1, so that the others do not wait for it. At once means without exit handlers
    and `finally` further up: in order, Python would wait for the others.

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
        return main()
    except Exception as error:
        process, processes = process_of()
        if processes == 1:
            raise
        if _is_loss(error):
            first = str(error).partition("\n")[0]
            _say(
                f"funclearn: process {process} of {processes} ends with status "
                f"{_AGAIN}, since another was lost: {first}\n"
            )
            _leave(_AGAIN)
        _say(traceback.format_exc())
        _leave(1)


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
