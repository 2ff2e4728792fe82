"""What becomes of a run between two chunks, decided alike in all of its processes.

Each has clocks and signals of its own, and what one of them alone went by would have it
make other chunks than the rest, which then wait for it in vain. So once a chunk they
tell each other, before the next one begins.
"""

import contextlib
from collections.abc import Callable, Iterator

from funclearn._processes import Together

__all__ = ["Course"]


class Course:
    """What ends a run, and when it is saved.

    In one process nothing is exchanged, and all is as it is when it is asked for.

    Attributes:
        decide: of the numbers that the clock of each process makes, those of the first
            process, once all have told theirs; its first is 0 if the run is to end.
            None in one process.
    """

    def __init__(
        self,
        together: Together,
        heard: Callable[[], int | None],
        late: Callable[[], bool],
        due: Callable[[], bool],
    ) -> None:
        """Takes what one process knows.

        Args:
            together: the processes.
            heard: the signal that asks to end, if there was one.
            late: whether time has run out.
            due: whether it is time to save.
        """
        self._together, self._own = together, (heard, late, due)
        self._agreed: tuple[int | None, bool, bool] = (None, False, False)
        self._error: Exception | None = None
        self.decide = None if together.alone else self._decided

    def heard(self) -> int | None:
        """The signal that asks to end, if there was one."""
        return self._own[0]() if self._together.alone else self._agreed[0]

    def late(self) -> bool:
        """Whether time has run out."""
        return self._own[1]() if self._together.alone else self._agreed[1]

    def due(self) -> bool:
        """Whether it is time to save."""
        return self._own[2]() if self._together.alone else self._agreed[2]

    @contextlib.contextmanager
    def deferring(self) -> Iterator[None]:
        """Has what fails in one process alone fail at the next exchange.

        Until there the others go on, and what they compute needs this process.
        """
        try:
            yield
        except Exception as error:
            if self._together.alone:
                raise
            self._error = error

    def settle(self) -> int | None:
        """The signal that was heard up to the end; raises what was deferred."""
        if not self._together.alone:
            self._decided(0)
        return self.heard()

    def _decided(self, *numbers: int) -> tuple[int, ...]:
        if self._error is not None:
            raise self._error
        told = self._together.exchange([*numbers, *(one() for one in self._own)])
        signals = [heard for *_, heard, _, _ in told if heard is not None]
        *chosen, _, late, due = told[0]
        self._agreed = signals[0] if signals else None, late, due
        if signals or late:
            chosen[0] = 0
        return tuple(chosen)
