"""A run that can be watched, stopped, killed and gone on with."""

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from funclearn._checks import integer_at_least
from funclearn._types import Batch
from funclearn.running._callbacks import Callback
from funclearn.running._chunks import Program
from funclearn.running._session import Session
from funclearn.training import Run, TrainState, TrainStep, prepare_state

__all__ = ["run"]


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
    progress: object = True,
    within: float | None = None,
    callbacks: Iterable[Callback] = (),
    config: Mapping[str, Any] | None = None,
    **options: Any,
) -> Run:
    """Trains as `fit` does, to the same bits, in chunks that can be watched and saved.

    Between the chunks, which take about a quarter of a second, the display moves, the
    logs grow, a checkpoint is begun, and signals are heard. SIGINT (Ctrl-C) and SIGTERM
    let the chunk end, save, and raise `Interrupted` or `Terminated`, which carry the
    run; a second signal acts as usual. A run that was killed in any other way goes on
    from its last checkpoint; the result has the same bits.

    A loss or parameters that are not finite end the run there, with the last state of
    finite parameters, the reason `"diverged"` and a RuntimeWarning; that state is
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
        **options: further arguments of `fit`. The numbers of a stopping rule may be
            others when a run goes on.

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
    session = Session(
        folder, resume, save_every, keep, logs, progress, within, callbacks, config
    )
    program = Program(train_step, state, train, validation, epochs, options)
    state = prepare_state(train_step, state)
    return session.carry_out(program, state, epochs, began)
