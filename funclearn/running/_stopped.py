"""How a run ends that was not let run to its end: exceptions that carry it."""

import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from funclearn.training import Run

__all__ = ["Failed", "Interrupted", "Stopped", "Terminated"]


class Stopped(BaseException):
    """A run was told to end by a signal; it finished its chunk, and saved if it could.

    Attributes:
        run: what there is of it, as `run` returns it.
        signal: the number of the signal.
    """

    def __init__(self, message: str, run: "Run", number: int) -> None:
        """Takes what to say, the run and the signal."""
        super().__init__(message)
        self.run, self.signal = run, number

    def __str__(self) -> str:
        """What happened, and how to resume."""
        return str(self.args[0])


class Interrupted(Stopped, KeyboardInterrupt):
    """By SIGINT, as Ctrl-C sends it; Python ends with the status 130."""


class Terminated(Stopped, SystemExit):
    """By SIGTERM, as schedulers send it; Python ends with the status 143."""

    def __init__(self, message: str, run: "Run", number: int) -> None:
        """Takes what to say, the run and the signal."""
        super().__init__(message, run, number)
        self.code = 128 + signal.SIGTERM


class Failed(RuntimeError):
    """Something around a run failed: a callback, a disk; its `__cause__` says what.

    Attributes:
        run: what there is of the run, as `run` returns it: nothing is lost.
    """

    def __init__(self, message: str, run: "Run") -> None:
        """Takes what to say and the run."""
        super().__init__(message)
        self.run = run
