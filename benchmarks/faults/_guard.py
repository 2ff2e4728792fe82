"""One input, put to code that must take or refuse it, soon and in little memory."""

import io
import resource
import signal
import warnings
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from types import FrameType

__all__ = ["guarded"]

_SECONDS = 20.0
_MIB = 256  # that an input may add to the peak of the process


class _Hangs(BaseException):
    """It took too long."""


def _stop(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise _Hangs


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def guarded(
    use: Callable[[], str], allowed: tuple[type[BaseException], ...]
) -> dict[str, str]:
    """What comes of an input.

    Args:
        use: uses it, and says what came of it.
        allowed: the exceptions that are documented.
    """
    peak = _peak()
    signal.signal(signal.SIGALRM, _stop)
    signal.setitimer(signal.ITIMER_REAL, _SECONDS)
    quiet = io.StringIO()
    try:
        with warnings.catch_warnings(), redirect_stdout(quiet), redirect_stderr(quiet):
            warnings.simplefilter("ignore")
            outcome = use()
    except allowed as error:
        outcome = "refused"
        if not str(error):
            outcome = f"WRONG: {type(error).__name__} without a word"
    except _Hangs:
        outcome = "WRONG: it hangs"
    except BaseException as error:
        outcome = f"WRONG: {type(error).__name__}: {str(error)[:200]}"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    if _peak() > peak + _MIB:
        outcome = f"WRONG: {_peak() - peak} MiB of memory"
    return {"outcome": outcome}
