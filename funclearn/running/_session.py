"""Everything around a run, opened before it and closed after it."""

import contextlib
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax

from funclearn import checkpoints
from funclearn._checks import check_not_negative, check_positive, integer_at_least
from funclearn._display import progress
from funclearn._processes import Together
from funclearn._words import described
from funclearn.running._callbacks import Callback
from funclearn.running._chunk import Resumed
from funclearn.running._chunks import Program
from funclearn.running._folder import Folder
from funclearn.running._history import History
from funclearn.running._lock import locked
from funclearn.running._logs import Log, open_log
from funclearn.running._loop import Loop
from funclearn.running._signals import listening
from funclearn.running._streamed import Streamed
from funclearn.training import Run, TrainState

__all__ = ["Session"]

_LOGS = ("csv", "jsonl", "tensorboard")


class Session:
    """How a run is watched, stopped and saved."""

    def __init__(
        self,
        folder: str | Path | None,
        resume: bool,
        save_every: float,
        keep: int,
        logs: Sequence[str],
        display: object,
        within: float | None,
        callbacks: Iterable[Callback],
        config: Mapping[str, Any] | None,
        together: Together,
    ) -> None:
        """Takes the arguments of `run` of these names, and refuses bad ones.

        Beside them the processes that make the run.
        """
        self._together = together
        check_not_negative("save_every", save_every)
        if within is not None:
            check_positive("within", within)
        self._path = None if folder is None else Path(folder)
        self._resume, self._save_every = resume, float(save_every)
        self._keep = integer_at_least("keep", keep, 1)
        shown = progress(display)
        self._display = shown if together.first else progress(False)
        self._logs = _kinds(logs)
        self._within = float("inf") if within is None else float(within)
        self._callbacks, self._config = _functions(callbacks), _writable(config)

    def carry_out(
        self, program: Program | Streamed, state: TrainState, epochs: int, began: float
    ) -> Run:
        """Makes the run, or what is left of it.

        Args:
            program: what to run.
            state: where it begins, or began.
            epochs: the largest number of epochs.
            began: when the clock began to run, by `time.monotonic`.
        """
        resumed = Resumed(state, program.given)
        with contextlib.ExitStack() as stack:
            history, folder, logs = History(program.row), None, []
            with self._together.alike():
                display = stack.enter_context(self._display)
            if self._path is not None:
                writes, path = self._together.first, self._path / "history.rows"
                folder = self._opened(self._path, program, stack)
                history = History(program.row, path, writes=writes)
                with self._together.alike():
                    resumed = self._begun(folder, state, program, history, epochs)
                with self._together.alike():
                    logs = self._opened_logs(self._path, program, history, stack)
                if history.number:
                    display.note(f"goes on after epoch {history.number:,}")
            loop = Loop(
                program,
                history,
                epochs,
                folder=folder,
                save_every=self._save_every,
                logs=logs,
                display=display,
                callbacks=self._callbacks,
                together=self._together,
                late=lambda: time.monotonic() - began >= self._within,
            )
            return loop.go(resumed, stack.enter_context(listening()))

    def _opened(
        self, path: Path, program: Program | Streamed, stack: contextlib.ExitStack
    ) -> Folder:
        with self._together.alike():
            if self._together.first:
                path.mkdir(parents=True, exist_ok=True)
                stack.enter_context(locked(path))
        folder = Folder(
            path,
            text=program.text,
            data=checkpoints.fingerprint(program.identity),
            config=self._config,
            keep=self._keep,
            together=self._together,
        )
        stack.callback(folder.close)
        return folder

    def _begun(
        self,
        folder: Folder,
        state: TrainState,
        program: Program | Streamed,
        history: History,
        epochs: int,
    ) -> Resumed:
        """Where to start: at the beginning, or where the folder's run has got to."""
        if self._resume:
            found = folder.resume(program, state, history)
            if found is not None and history.number > epochs:
                raise ValueError(
                    f"epochs must be at least {history.number}, which the run in "
                    f"{folder.path} has made; got {epochs}."
                )
            if found is not None:
                folder.prune()
                return found
        elif self._together.first and checkpoints.latest(folder.path) is not None:
            raise ValueError(
                f"folder holds a run already: {folder.path}; resume=True goes on with "
                "it, another folder begins a new one."
            )
        folder.begin()
        return Resumed(state, program.given)

    def _opened_logs(
        self,
        path: Path,
        program: Program | Streamed,
        history: History,
        stack: contextlib.ExitStack,
    ) -> list[Log]:
        if not jax.tree.leaves(program.row) or not self._together.first:
            return []
        logs = []
        for kind in self._logs:
            log = open_log(kind, path, program.row, history.number, history.read)
            stack.callback(log.close)
            logs.append(log)
        return logs


def _kinds(logs: Sequence[str]) -> tuple[str, ...]:
    if isinstance(logs, str) or any(kind not in _LOGS for kind in logs):
        raise ValueError(f"logs must be some of {', '.join(_LOGS)}; got {logs!r}.")
    return tuple(logs)


def _functions(callbacks: Iterable[Callback]) -> list[Callback]:
    functions = list(callbacks)
    for place, function in enumerate(functions):
        if not callable(function):
            raise TypeError(
                f"callbacks[{place}] must be a function of a Report; got "
                f"{described(function)}."
            )
    return functions


def _writable(config: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    try:
        json.dumps(config, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise type(error)(f"config must hold what JSON can write: {error}.") from None
    return config
