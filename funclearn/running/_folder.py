"""What a run keeps in its folder, so that it can be gone on with.

    checkpoint-*.safetensors  states, by `funclearn.checkpoints`
    history.rows              the rows of the history, to the bit
    program.txt               what the run computes, as JAX writes it down

Saving goes on in a thread while the next chunk is computed, one save after the other:
first the rows, then the state that counts on them.
"""

import concurrent.futures
import contextlib
import difflib
import functools
import hashlib
import re
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax

from funclearn import checkpoints
from funclearn.checkpoints import (
    Checkpoint,
    CheckpointError,
    CheckpointWarning,
    Saved,
)
from funclearn.running._history import History
from funclearn.stopping import Rule, Watch
from funclearn.training import TrainState

__all__ = ["Folder", "Resumed"]


_NOTES = frozenset({"history", "program", "jax", "key"})


_CHECKPOINTS = "checkpoint-*.safetensors"


class Resumed(NamedTuple):
    """Where a run goes on: its state, and what its stopping rule remembers."""

    state: TrainState
    watch: Watch | None


class Folder:
    """The folder of a run.

    Attributes:
        path: where it is.
        saved: the epoch that was saved last; None if none was.
    """

    def __init__(
        self,
        path: Path,
        *,
        text: str,
        data: str,
        config: Mapping[str, Any] | None,
        keep: int,
    ) -> None:
        """Takes what a run is told apart by; touches nothing."""
        self.path, self.saved = path, None
        self._text, self._data, self._config = text, data, config
        self._keep = keep
        self._threads = concurrent.futures.ThreadPoolExecutor(1, "funclearn-saves")
        self._last: concurrent.futures.Future[None] | None = None

    def resume(
        self, like: TrainState, watch: Watch | None, history: History
    ) -> Resumed | None:
        """Reads the newest whole checkpoint and the rows that it counts on.

        Args:
            like: the state that the run begins with.
            watch: the types of what its stopping rule remembers.
            history: is given the rows.

        Returns:
            None if there is no checkpoint.

        Raises:
            CheckpointError: if it is of another run; the message names what differs.
        """
        found = checkpoints.latest(self.path)
        if found is None:
            return None
        notes = found.notes or {}
        if not _NOTES <= set(notes):
            raise CheckpointError(
                f"{found.path} was not saved by a run: it lacks "
                f"{', '.join(sorted(_NOTES - set(notes)))}."
            )
        self._check_program(notes)
        self._check_start(like, notes)
        read = functools.partial(
            checkpoints.read,
            self.path,
            like,
            more_like={"watch": watch},
            config=self._config,
            data=self._data,
        )
        state, more, _ = read(step=found.step)
        if not history.load(notes["history"]):
            state, more, _ = self._older(read, found, history)
        self.saved = history.number
        return Resumed(state, more["watch"])

    def _older(
        self, read: Callable[..., Checkpoint], newest: Saved, history: History
    ) -> Checkpoint:
        """The newest checkpoint that does with the rows that are left.

        Raises:
            CheckpointError: if there is none.
        """
        text = f"{self.path / 'history.rows'} lacks rows that {newest.path} counts on"
        names = (path.stem.rpartition("-")[2] for path in self.path.glob(_CHECKPOINTS))
        steps = sorted(map(int, filter(str.isdecimal, names)), reverse=True)
        for step in steps:
            with contextlib.suppress(CheckpointError):
                older = read(step=step)
                mark = (older.saved.notes or {}).get("history")
                if step < newest.step and mark and history.load(mark):
                    text += f"; the run goes on after epoch {history.number}."
                    warnings.warn(text, CheckpointWarning, stacklevel=5)
                    return older
        raise CheckpointError(f"{text}, and so does every older one.")

    def begin(self) -> None:
        """Writes down what the run computes."""
        (self.path / "program.txt").write_text(self._text, "utf-8")

    def save(
        self,
        state: TrainState,
        stop: Rule | None,
        history: History,
        value: float | None,
    ) -> None:
        """Begins to save, once the last save has ended.

        Args:
            state: the state to save.
            stop: the stopping rule, with what it remembers.
            history: the rows up to there.
            value: the validation loss, by which the best checkpoint is told.

        Raises:
            OSError: if that one failed; the older checkpoints are whole.
        """
        self.finish()
        rows, epoch = history.unwritten(), history.number

        def save() -> None:
            notes = {
                "history": history.write(rows),
                "program": _digest(self._text),
                "jax": jax.__version__,
                "key": _key_of(state),
            }
            checkpoints.save(
                self.path,
                state,
                step=epoch,
                more={"watch": None if stop is None else stop.watch},
                notes=notes,
                config=self._config,
                data=self._data,
                value=value,
                keep=self._keep,
            )
            self.saved = epoch

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

    def _check_program(self, notes: Mapping[str, Any]) -> None:
        # JAX writes programs down in its own way in every version.
        if notes["jax"] != jax.__version__ or notes["program"] == _digest(self._text):
            return
        try:
            old = (self.path / "program.txt").read_text("utf-8")
        except OSError:
            old = ""
        pairs = difflib.unified_diff(old.splitlines(), self._text.splitlines(), n=0)
        changed = [line for line in pairs if re.match(r"[+-][^+-]", line)]
        was, now = (
            next((line[1:].strip() for line in changed if line[0] == sign), "nothing")
            for sign in "-+"
        )
        raise CheckpointError(
            f"{self.path} holds a run that computes something else: another model, "
            "loss, optimizer, stopping rule, batch size or number in one of them. The "
            f"first difference is {was!r} there, {now!r} here."
        )

    def _check_start(self, like: TrainState, notes: Mapping[str, Any]) -> None:
        if notes["key"] != _key_of(like):
            raise CheckpointError(
                f"{self.path} holds a run with another key: state.key was "
                f"{notes['key']}, and is {_key_of(like)}."
            )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _key_of(state: TrainState) -> list[int]:
    return jax.random.key_data(state.key).tolist()
