"""Ctrl-C ends a command line at once, without a traceback, with the exit status 130."""

import _thread
import sys
import threading
from collections.abc import Callable

__all__ = ["until_interrupted"]


def until_interrupted(main: Callable[[], int]) -> int:
    """Runs a command line.

    Returns:
        What `main` returns, or 130 after an interrupt.
    """
    hook = sys.unraisablehook
    sys.unraisablehook = _send_again
    try:
        return main()
    except KeyboardInterrupt:
        return 130
    finally:
        sys.unraisablehook = hook


def _send_again(unraisable: "sys.UnraisableHookArgs") -> None:
    # Python drops what is raised inside a callback of its garbage collector, and JAX
    # has one that takes its time: a dropped interrupt comes again after the callback.
    if issubclass(unraisable.exc_type, KeyboardInterrupt):
        threading.Timer(0.05, _thread.interrupt_main).start()
    else:
        sys.__unraisablehook__(unraisable)
