"""A run until a deadline.

A compiled loop cannot look at a clock, so a deadline is kept between chunks of epochs.
Cutting a run changes none of its bits, and a stopping rule goes on where it left off.
"""

import operator
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from funclearn._checks import check_positive, integer_at_least
from funclearn._types import Batch
from funclearn.stopping import Reason
from funclearn.training import (
    Run,
    TrainState,
    TrainStep,
    blank_rows,
    fit,
    with_missing,
)

__all__ = ["fit_within"]


def fit_within(
    seconds: float,
    train_step: TrainStep,
    state: TrainState,
    train: Batch,
    validation: Batch | None = None,
    *,
    epochs: int,
    chunk: int,
    clock: Callable[[], float] = time.monotonic,
    **options: Any,
) -> Run:
    """`funclearn.fit` until a deadline, looking at the clock between chunks of epochs.

    Compiling counts: the clock starts when the function is called. Not to be called
    under `jax.jit`.

    Args:
        seconds: how long to go on; a chunk that has begun is finished.
        train_step: as for `fit`, like the next three.
        state: where to start.
        train: the training data.
        validation: the validation data.
        epochs: the largest number of epochs.
        chunk: number of epochs between two looks at the clock.
        clock: tells the time, in seconds.
        **options: further arguments of `fit`.

    Returns:
        The run, as `fit` returns it with rows for all `epochs`; the name of its reason
        is `"deadline"` if time ran out.

    Raises:
        ValueError: if `seconds` is not positive or `chunk` is less than 1; and as
            `fit` does.
    """
    check_positive("seconds", seconds)
    epochs = integer_at_least("epochs", epochs, 0)
    chunk = integer_at_least("chunk", chunk, 1)
    deadline = clock() + seconds
    # Refuses what is wrong before the first chunk, and gives the type of a row.
    run = fit(train_step, state, train, validation, epochs=0, **options)
    histories, done, late = [run.history], 0, False
    while done < epochs and not run.reason.code and not late:
        run = fit(
            train_step,
            run.state,
            train,
            validation,
            epochs=min(chunk, epochs - done),
            # The rule that goes on counting, instead of the one that was given.
            **{**options, "stop": run.stop},
        )
        ran = int(run.epochs)
        histories.append(jax.tree.map(operator.itemgetter(slice(ran)), run.history))
        done += ran
        late = clock() >= deadline
    return _joined(run, histories, done, epochs)


def _joined(run: Run, histories: list[PyTree], done: int, epochs: int) -> Run:
    """The run of all chunks, of which `run` is the last."""
    row = jax.tree.map(
        lambda rows: jax.ShapeDtypeStruct(rows.shape[1:], rows.dtype), run.history
    )
    histories = [*histories, blank_rows(row, epochs - done)]
    history = jax.tree.map(lambda *parts: jnp.concatenate(parts), *histories)
    names = (*run.reason.names, "deadline")
    out_of_time = done < epochs and not run.reason.code
    code = np.asarray(len(names) - 1 if out_of_time else run.reason.code)
    return run._replace(
        history=with_missing(history, done),
        epochs=np.asarray(done, np.int32),
        reason=Reason(code, names),
    )
