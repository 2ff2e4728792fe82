"""How a run ends that was not let run to its end: exceptions that carry it."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from funclearn.training import Run

__all__ = ["Failed", "Interrupted", "Stopped", "Terminated"]


class Stopped(SystemExit):
    """A run was told to end by a signal; it finished its chunk, and saved if it could.

    Where nobody catches it, Python ends with the status that shells give to an end by
    this signal.

    Attributes:
        run: what there is of it, as `run` returns it, with the rows that ran alone.
        signal: the number of the signal.
        code: the status, 128 and the number.
    """

    def __init__(self, message: str, run: "Run", number: int) -> None:
        """Takes what to say, the run and the signal."""
        super().__init__(message)
        self.run, self.signal, self.code = run, number, 128 + number

    def __str__(self) -> str:
        """What happened, and how to resume."""
        return str(self.args[0])


class Interrupted(Stopped, KeyboardInterrupt):
    """By SIGINT, as Ctrl-C sends it: the status is 130."""


class Terminated(Stopped):
    """By SIGTERM, as schedulers send it: the status is 143."""


class Failed(RuntimeError):
    """Something around a run failed: a callback, a disk; its `__cause__` says what.

    Attributes:
        run: what there is of the run, as `run` returns it, with the rows that ran
            alone: nothing is lost.
    """

    def __init__(self, message: str, run: "Run") -> None:
        """Takes what to say and the run."""
        super().__init__(message)
        self.run = run
