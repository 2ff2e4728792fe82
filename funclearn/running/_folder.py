"""What a run keeps in its folder, so that it can be gone on with.

    checkpoint-*.safetensors  states, by `funclearn.checkpoints`
    history.rows              the rows of the history, to the bit
    program.txt               what the run computes, as JAX writes it down

Saving goes on in a thread while the next chunk is computed, one save after the other:
first the rows, then the state that counts on them. Of several processes the first saves
what all have; a state of which each has a part all save together, and wait for it.
"""

import concurrent.futures
import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
from jaxtyping import PyTree

from funclearn import checkpoints
from funclearn._processes import Together, is_spread, local
from funclearn.running._chunk import Part, Resumed
from funclearn.running._chunks import Program
from funclearn.running._history import History
from funclearn.running._resuming import digest, key_of, parted, resume
from funclearn.running._streamed import Streamed
from funclearn.training import Run, TrainState

__all__ = ["Folder"]


class Folder:
    """The folder of a run.

    Attributes:
        path: where it is.
        saved: the epoch that was saved last; None if none was.
        step: what the checkpoint of it is called by.
    """

    def __init__(
        self,
        path: Path,
        *,
        text: str,
        data: str,
        config: Mapping[str, Any] | None,
        keep: int,
        together: Together,
    ) -> None:
        """Takes what a run is told apart by; touches nothing."""
        self.path, self._together = path, together
        self.saved: int | None = None
        self.step: int | None = None
        self._text, self._known = text, {"config": config, "data": data}
        self._keep = keep
        self._threads = concurrent.futures.ThreadPoolExecutor(1, "funclearn-saves")
        self._last: concurrent.futures.Future[None] | None = None

    def resume(
        self, program: Program | Streamed, state: TrainState, history: History
    ) -> Resumed | None:
        """Goes on with the run that is there, as `_resuming.resume` does."""
        where = self.path, program, state, history, self._together
        found = resume(*where, **self._known)
        if found is not None:
            self.saved, self.step = history.number, found.step
        return found

    def prune(self) -> None:
        """Removes what a run that was killed had no time to remove.

        A run that had ended saves nothing more, and so would not remove it either.
        """
        with self._together.alike():
            if self._together.first:
                checkpoints.prune(self.path, step=self.step, keep=self._keep)

    def begin(self) -> None:
        """Writes down what the run computes."""
        if self._together.first:
            (self.path / "program.txt").write_text(self._text, "utf-8")

    def save(
        self,
        run: Run,
        part: Part | None,
        step: int,
        history: History,
        value: float | None,
    ) -> None:
        """Begins to save, once the last save has ended.

        Args:
            run: the run so far.
            part: the epoch on its way, if it is in the middle of one.
            step: what to call it by.
            history: the rows up to there.
            value: the validation loss, by which the best checkpoint is told.

        Raises:
            OSError: if that one failed; the older checkpoints are whole.
        """
        self.finish()
        rows, epoch = history.unwritten(), history.number
        spread = any(map(is_spread, jax.tree.leaves(run.state)))
        if not self._together.first and not spread:
            self.saved, self.step = epoch, step
            return
        # Another thread must make nothing that other processes have to make, too.
        run, part = local((run, part))
        more = _more(run, part)
        kept = {"value": value, "keep": self._keep, **self._known}

        def save() -> None:
            notes = {
                "history": history.write(rows),
                "part": None if part is None else part.made,
                "program": digest(self._text),
                "jax": jax.__version__,
                "key": key_of(run.state),
            }
            checkpoints.save(
                self.path, run.state, step=step, more=more, notes=notes, **kept
            )
            self.saved, self.step = epoch, step

        if spread:
            save()
        else:
            self._last = self._threads.submit(save)

    @property
    def saving(self) -> bool:
        """Whether a save is going on."""
        return self._last is not None and not self._last.done()

    def finish(self) -> None:
        """Waits for the last save; raises what it raised."""
        last, self._last = self._last, None
        if last is not None:
            last.result()

    def close(self) -> None:
        """Waits for the last save, and gives up what it raised."""
        with contextlib.suppress(Exception):
            self.finish()
        self._threads.shutdown()


def _more(run: Run, part: Part | None) -> dict[str, PyTree]:
    """What is saved beside a state."""
    watch = None if run.stop is None else run.stop.watch
    begun = {} if part is None else {"part": parted(part.begun)}
    return {"watch": watch, **begun}
