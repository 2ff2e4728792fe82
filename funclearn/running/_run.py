"""A run that can be watched, stopped, killed and gone on with."""

import contextlib
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from funclearn import checkpoints
from funclearn._checks import (
    check_not_negative,
    check_positive,
    integer_at_least,
)
from funclearn._types import Batch, Params
from funclearn._words import described
from funclearn.data import as_dataset
from funclearn.running._chunks import Program
from funclearn.running._folder import Folder
from funclearn.running._history import History
from funclearn.running._lock import locked
from funclearn.running._logs import open_log
from funclearn.running._loop import Callback, Loop
from funclearn.running._progress import Progress
from funclearn.running._progress import progress as make_display
from funclearn.running._signals import listening
from funclearn.stopping import Rule
from funclearn.training import Run, StepInfo, TrainState, TrainStep

__all__ = ["run"]

_LOGS = ("csv", "jsonl", "tensorboard")


def run(
    train_step: TrainStep,
    state: TrainState,
    train: Batch,
    validation: Batch | None = None,
    *,
    epochs: int,
    folder: str | Path | None = None,
    resume: bool = False,
    save_every: float = 1.0,
    keep: int = 3,
    logs: Sequence[str] = ("csv", "jsonl"),
    progress: bool | Progress = True,
    within: float | None = None,
    callbacks: Iterable[Callback] = (),
    config: Mapping[str, Any] | None = None,
    batch_size: int | None = None,
    evaluate: Callable[[Params, Batch], PyTree] | None = None,
    record: Callable[[TrainState, StepInfo, PyTree], PyTree] | None = None,
    stop: Rule | None = None,
    best_on: str | None = None,
    best_direction: str = "min",
) -> Run:
    """Trains as `fit` does, to the same bits, in chunks that can be watched and saved.

    Between the chunks, which take about a quarter of a second, the display moves, the
    logs grow, a checkpoint is begun, and signals are heard. SIGINT (Ctrl-C) and SIGTERM
    let the chunk end, save, and raise `Interrupted` or `Terminated`, which carry the
    run; a second signal acts as usual. A run that was killed in any other way goes on
    from its last checkpoint; the result has the same bits.

    A loss or parameters that are not finite end the run there, with the last state
    before as its state, the reason `"diverged"` and a RuntimeWarning; that state is
    saved, and no later one.

    Not to be called under `jax.jit` or another transformation.

    Args:
        train_step: as for `fit`, like all that is not named here.
        state: where to start; with `resume` too, where it was started.
        train: the training data.
        validation: the validation data.
        epochs: the largest number of epochs, those of earlier starts included.
        folder: where to save checkpoints, the history to the bit and the logs; it is
            made if need be. None saves nothing.
        resume: goes on with the run that the folder holds, and begins one if it holds
            none, so that a script started again and again gets to its end.
        save_every: seconds between two checkpoints; the last state is always saved.
        keep: how many checkpoints to keep, beside the best by validation loss.
        logs: what to write the history to, in the folder: `"csv"` (`history.csv`),
            `"jsonl"` (`history.jsonl`, one object a line), `"tensorboard"` (event
            files, with the extra of that name).
        progress: whether to show how far it is, on standard error; or an object of
            your own with the methods of `Progress`.
        within: seconds after which no other chunk is begun; compiling counts.
        callbacks: each is called between chunks with a `Report`.
        config: what the run was made with, to be written into the checkpoints; values
            as JSON has them. To resume with another one is refused.
        batch_size: rows a step.
        evaluate: what to take before every epoch.
        record: makes the rows.
        stop: a stopping rule; its numbers may be others when it goes on.
        best_on: what `run.best` goes by.
        best_direction: `"min"` or `"max"`.

    Returns:
        The run of all epochs, those of earlier starts included, as `fit` returns it. It
        may end for three reasons more: `"deadline"`, `"diverged"`, `"signal"`.

    Raises:
        TypeError, ValueError: as `fit`; and if `folder` holds a run and `resume` is not
            set, is in use by another run, or an argument is out of its range.
        CheckpointError: if the folder holds a run with another model, optimizer, data,
            dtype, precision, key or configuration; the message names what differs.
        Interrupted: on SIGINT.
        Terminated: on SIGTERM.
        Failed: if a callback raised an exception, or the disk did; it carries the run.
        OSError: if the folder cannot be made or read.

    Example:
        >>> train, scaler = fl.data.standardise(fl.data.thermometer())
        >>> model, optimizer = fl.models.linear, optax.sgd(0.1)
        >>> objective = fl.make_objective(model, fl.losses.mse)
        >>> step = fl.make_train_step(objective, optimizer)
        >>> key = jax.random.key(0)
        >>> state = fl.init_state(key, model.init(key), optimizer)
        >>> run = fl.running.run(step, state, train, epochs=100, progress=False)
        >>> print(f"{run.final.loss:.3f}", run.epochs, run.reason)
        2.928 100 epochs
    """
    began = time.monotonic()
    epochs = integer_at_least("epochs", epochs, 0)
    keep = integer_at_least("keep", keep, 1)
    check_not_negative("save_every", save_every)
    if within is not None:
        check_positive("within", within)
    _check_logs(logs)
    callbacks = _functions(callbacks)
    _check_config(config)
    options = {
        "batch_size": batch_size,
        "evaluate": evaluate,
        "record": record,
        "stop": stop,
        "best_on": best_on,
        "best_direction": best_direction,
    }
    data = [
        None if rows is None else jax.tree.map(jnp.asarray, as_dataset(name, rows))
        for name, rows in (("train", train), ("validation", validation))
    ]
    program = Program(train_step, state, *data, epochs, options)
    with contextlib.ExitStack() as stack:
        history, place = History(program.row), None
        if folder is not None:
            folder = _made(folder)
            stack.enter_context(locked(folder))
            place = Folder(
                folder,
                text=program.text,
                data=checkpoints.fingerprint(data),
                config=config,
                keep=keep,
            )
            stack.callback(place.close)
            history = History(program.row, folder / "history.rows")
            state, stop = _begun(place, resume, state, stop, program, history)
        rows = jax.tree.leaves(program.row)
        texts = [
            open_log(kind, folder, program.row, history.number, history.read)
            for kind in (logs if folder is not None and rows else ())
        ]
        for text in texts:
            stack.callback(text.close)
        display = stack.enter_context(make_display(progress))
        loop = Loop(
            program,
            history,
            epochs,
            folder=place,
            save_every=float(save_every),
            logs=texts,
            display=display,
            callbacks=callbacks,
            late=lambda: within is not None and time.monotonic() - began >= within,
        )
        return loop.go(state, stop, stack.enter_context(listening()))


def _check_logs(logs: Sequence[str]) -> None:
    unknown = [kind for kind in logs if kind not in _LOGS]
    if isinstance(logs, str) or unknown:
        raise ValueError(f"logs must be some of {', '.join(_LOGS)}; got {logs!r}.")


def _functions(callbacks: Iterable[Callback]) -> list[Callback]:
    functions = list(callbacks)
    for place, function in enumerate(functions):
        if not callable(function):
            raise TypeError(
                f"callbacks[{place}] must be a function of a Report; got "
                f"{described(function)}."
            )
    return functions


def _check_config(config: Mapping[str, Any] | None) -> None:
    try:
        json.dumps(config, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise type(error)(f"config must hold what JSON can write: {error}.") from None


def _made(folder: str | Path) -> Path:
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    return path


def _begun(
    place: Folder,
    resume: bool,
    state: TrainState,
    stop: Rule | None,
    program: Program,
    history: History,
) -> tuple[TrainState, Rule | None]:
    """Where to start: at the beginning, or where the folder's run has got to."""
    if not resume:
        if checkpoints.latest(place.path) is not None:
            raise ValueError(
                f"folder holds a run already: {place.path}; resume=True goes on with "
                "it, another folder begins a new one."
            )
    else:
        rule = program.stop
        found = place.resume(state, None if rule is None else rule.watch, history)
        if found is not None:
            # Where none is given `best_on` may still make one.
            rule = program.advance(state, stop, 0).stop
            return found.state, (
                None if rule is None else rule.having_seen(found.watch)
            )
    place.begin()
    return state, stop
