"""What is done between two chunks of a run, and what is made of it in the end."""

import signal
import time
import warnings
from collections.abc import Callable, Iterable
from typing import NoReturn

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from funclearn._display import Progress, Seen
from funclearn._processes import Together, whole
from funclearn.running._callbacks import Callback, Report, call
from funclearn.running._chunk import Bad, Chunk, Part, Resumed
from funclearn.running._chunks import Program
from funclearn.running._course import Course
from funclearn.running._divergence import all_finite, told
from funclearn.running._folder import Folder
from funclearn.running._history import History, losses_of
from funclearn.running._logs import Log
from funclearn.running._stopped import Failed, Interrupted, Terminated
from funclearn.running._streamed import Streamed
from funclearn.stopping import Reason, closest
from funclearn.training import Run, with_missing

__all__ = ["Loop"]

_OWN_REASONS = ("deadline", "diverged", "signal")


class Loop:
    """A run on its way.

    Attributes:
        program: the compiled program.
        history: the rows so far.
        epochs: the largest number of epochs.
        folder: where it is saved; None for a run that is not.
        save_every: seconds between two saves.
        logs: what the rows are written to.
        display: what shows how far it is.
        callbacks: what is called with every chunk.
    """

    def __init__(
        self,
        program: Program | Streamed,
        history: History,
        epochs: int,
        *,
        folder: Folder | None,
        save_every: float,
        logs: Iterable[Log],
        display: Progress,
        callbacks: Iterable[Callback],
        together: Together,
        late: Callable[[], bool],
    ) -> None:
        """Takes all of it."""
        self.program, self.history, self.epochs = program, history, epochs
        self.folder, self.save_every, self.logs = folder, save_every, list(logs)
        self.display, self.callbacks = display, list(callbacks)
        self._together, self._late = together, late
        self._saved_at = time.monotonic()
        self._seen: Seen | None = None
        self._losses = self._last_losses()

    def go(self, resumed: Resumed, heard: Callable[[], int | None]) -> Run:
        """Makes the epochs that are left.

        Args:
            resumed: where to start.
            heard: the signal that asks to end, if there was one.
        """
        state, stop, part, step = resumed
        self._last = self.program.nothing(state, stop)
        # One program serves all chunks of a rule that has begun.
        resumed = resumed._replace(stop=self._last.stop)
        self._part: Part | None = part
        self._step = step
        if part is not None:
            self._last = self._last._replace(state=part.begun.state)
        self._course = course = Course(self._together, heard, self._late, self._due)
        why = None
        try:
            left = self.epochs - self.history.number
            for chunk in self.program.chunks(resumed, left, course.decide):
                bad = self.program.bad(chunk, self.epochs - self.history.number)
                if bad is not None:
                    return self._diverged(bad)
                self._take(chunk)
                if course.heard() is not None:
                    break
                if course.late() and self.history.number < self.epochs:
                    why = "deadline"
                    break
            with course.deferring():
                self._save_last()
            number = course.settle()
        except Exception as error:
            self._together.tell(error)
            raise self._failed(error) from error
        if number is not None:
            self._leave(number)
        return self._run(None if self._last.reason.code else why, self.epochs)

    def _take(self, chunk: Chunk) -> None:
        self._last, self._part = chunk.run, chunk.part
        # First of all, since every process has to ask for rows that are spread.
        rows = jax.tree.map(whole, chunk.run.history)
        with self._course.deferring():
            rows = self._add(rows, 0, chunk.number)
            self._step = self.history.number if chunk.step is None else chunk.step
            if chunk.number:
                report = Report(self.history.number, self.epochs, rows, chunk.run.state)
                for callback in self.callbacks:
                    call(callback, report)
                self._losses = losses_of(rows)
            if self.folder is not None and self._course.due():
                self._maybe_save(self.folder)
            self._show(chunk.rate)

    def _show(self, rate: float) -> None:
        made, of = (0, None) if self._part is None else self._part[1:]
        self._seen = Seen(
            self.history.number,
            self.epochs,
            *self._losses,
            rate,
            closest(self._last.stop),
            self._saving(),
            made,
            of,
        )
        self.display.show(self._seen)

    def _due(self) -> bool:
        """Whether it is time to save."""
        if self.folder is None or self.folder.saving:
            return False
        return time.monotonic() - self._saved_at >= self.save_every

    def _maybe_save(self, folder: Folder) -> None:
        # Of whole epochs that is known already.
        if self._part is None or all_finite(self._last.state.params):
            self._save(folder)
            self._saved_at = time.monotonic()

    def _save(self, folder: Folder) -> None:
        validation = self._losses[1] if self._part is None else None
        folder.save(self._last, self._part, self._step, self.history, validation)

    def _save_last(self) -> None:
        if self.folder is None:
            return
        self.folder.finish()
        saved = self.folder.step
        new = saved is None or saved < self._step
        if new and all_finite(self._last.state.params):
            self._save(self.folder)
            self.folder.finish()
        if self._seen is not None:
            self.display.show(self._seen._replace(saving=self._saving()))

    def _saving(self) -> str | None:
        if self.folder is None:
            return None
        if self.folder.saving:
            return "saving"
        return None if self.folder.saved is None else f"saved epoch {self.folder.saved}"

    def _diverged(self, bad: Bad) -> Run:
        """Ends with the first epoch that is bad, and the last good state before it."""
        before = self.history.number
        self._last, self._part = bad.run, None
        rows = jax.tree.map(whole, bad.rows)
        with self._course.deferring():
            self._end(bad, rows)
            text = told(before, bad)
            self.display.note(text)
            warnings.warn(text, RuntimeWarning, stacklevel=5)
        self._course.settle()
        return self._run("diverged", self.epochs)

    def _end(self, bad: Bad, rows: PyTree) -> None:
        """Adds the rows of a run that went wrong, and saves the last good state."""
        self._add(rows, 0, bad.good)
        self._losses = self._last_losses()
        self._step = self.history.number if bad.step is None else bad.step
        if self.folder is not None and bad.step is not None:
            # An epoch that goes wrong may have been saved on its way.
            self.folder.finish()
            saved = self.folder.step or 0
            self._step = saved + 1 if saved > bad.step else bad.step
        self._save_last()
        self._add(rows, bad.good, bad.end)

    def _last_losses(self) -> tuple[float | None, float | None]:
        number = self.history.number
        return losses_of(self.history.read(max(number - 1, 0), number))

    def _add(self, rows: PyTree, start: int, stop: int) -> PyTree:
        """Adds rows of a chunk to the history and the logs."""
        before = self.history.number
        part = jax.tree.map(lambda leaf: leaf[start:stop], rows)
        part = self.history.append(part, stop - start)
        for log in self.logs:
            log.append(before, part)
        return part

    def _leave(self, number: int) -> NoReturn:
        name = signal.Signals(number).name
        where = f"after epoch {self.history.number} of {self.epochs}"
        how = "nothing was saved, since it has no folder"
        if self.folder is not None:
            how = f"saved; resume=True goes on from {self.folder.path}"
        kind = Interrupted if number == signal.SIGINT else Terminated
        message = f"{name} {where}: {how}."
        self.display.note(message)
        raise kind(message, self._run("signal", self.history.number), number)

    def _failed(self, error: Exception) -> Failed:
        what = f"the run ended after epoch {self.history.number} of {self.epochs}"
        saved = None if self.folder is None else self.folder.saved
        if saved is not None:
            what += f" (saved: {saved})"
        return Failed(f"{what}: {error}", self._run(None, self.history.number))

    def _run(self, why: str | None, length: int) -> Run:
        """The run so far, with a history of a number of rows."""
        last, number = self._last, self.history.number
        names, code = last.reason.names, last.reason.code
        if why is not None:
            code = len(names) + _OWN_REASONS.index(why)
        final = last.final
        if number:
            rows = self.history.read(number - 1, number)
            final = jax.tree.map(lambda leaf: jnp.asarray(leaf[0]), rows)
        return last._replace(
            history=with_missing(self.history.joined(length), number),
            epochs=np.asarray(number, np.int32),
            reason=Reason(np.asarray(code, np.int32), (*names, *_OWN_REASONS)),
            final=final,
        )
