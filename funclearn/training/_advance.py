"""Some epochs of a run, in one compiled loop: all of them, or a part."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Int, PyTree

from funclearn import _programs
from funclearn._checks import integer_at_least, leading_length
from funclearn._programs import debugging
from funclearn._types import Batch, Params
from funclearn._words import described
from funclearn.data import as_dataset
from funclearn.stopping import Reason, Rule, make_goal, never
from funclearn.training._averages import prepare_state
from funclearn.training._epoch import make_epoch
from funclearn.training._loop import Evaluate, Functions, Result, repeated, with_row
from funclearn.training._missing import with_missing, with_missing_row
from funclearn.training._refusals import check_function, check_state, explain
from funclearn.training._spreading import with_weights_everywhere
from funclearn.training._state import Run, StepInfo, TrainState, TrainStep

__all__ = ["advance", "as_run", "check_functions", "check_validation", "with_goal"]


def advance(
    train_step: TrainStep,
    state: TrainState,
    train: Batch,
    validation: Batch | None = None,
    *,
    epochs: int,
    number: ArrayLike | None,
    batch_size: int | None = None,
    evaluate: Callable[[Params, Batch], PyTree] | None = None,
    record: Callable[[TrainState, StepInfo, PyTree], PyTree] | None = None,
    stop: Rule | None = None,
    best_on: str | None = None,
    best_direction: str = "min",
) -> Run:
    """Makes some of a run's epochs, by one program whatever their number.

    The bits are those of `fit`, whose arguments and errors are the same.

    Args:
        train_step: as for `fit`, like all that is not named here.
        state: where to start.
        train: the training data.
        validation: the validation data.
        epochs: the largest number, for which the history has rows.
        number: how many to make, at most `epochs`, an int32 that need not be known at
            trace time; such a program has no derivatives. None makes all.
        batch_size: rows a step.
        evaluate: what to take before every epoch.
        record: makes the rows.
        stop: a stopping rule.
        best_on: what `run.best` goes by.
        best_direction: `"min"` or `"max"`.

    Returns:
        The run; the rows of epochs that were not made are missing, as after a stop.
    """
    epochs = integer_at_least("epochs", epochs, 0)
    if batch_size is not None:
        batch_size = integer_at_least("batch_size", batch_size, 1)
    check_state(train_step, state)
    train = as_dataset("train", train)
    if validation is not None:
        validation = as_dataset("validation", validation)
    stop = with_goal(stop, best_on, best_direction)
    functions, debugged = Functions(train_step, evaluate, record), debugging()
    program = _programs.kept(_compile, functions, epochs, batch_size, debugged)
    try:
        state = prepare_state(train_step, state)
        result = program(state, train, validation, stop, number)
    except Exception as error:
        explain(error, state=state)
        raise
    made = np.asarray(epochs, np.int32) if number is None else jnp.asarray(number)
    return as_run(result, made, stop)


def with_goal(stop: object, on: str | None, direction: str) -> Rule | None:
    """The rule that also keeps the best parameters, by `best_on`."""
    if stop is not None and not isinstance(stop, Rule):
        raise TypeError(
            "stop must be a rule of funclearn.stopping, such as patience(10); got "
            f"{described(stop)}."
        )
    if on is None and direction == "min":
        return stop
    goal = make_goal("validation" if on is None else on, direction, prefix="best_")
    return (never() if stop is None else stop).with_best_by(goal)


def _compile(
    take: Callable[[], tuple[PyTree, ...]],
    epochs: int,
    batch_size: int | None,
    debugged: tuple[bool, bool],
) -> Callable[..., Result]:
    del debugged  # what is traced differs by it

    @jax.jit
    def fit(
        state: TrainState,
        train: Batch,
        validation: Batch | None,
        stop: Rule | None,
        number: ArrayLike | None,
    ) -> Result:
        functions = Functions(*take())
        check_functions(functions)
        leading_length("train", train)
        check_validation(validation, functions.evaluate)
        validation = with_weights_everywhere(validation)
        # By default it is a Python number, whose type would change in the loop.
        state = state._replace(epoch=jnp.asarray(state.epoch, jnp.int32))
        train_epoch = make_epoch(functions.train_step, train, batch_size)
        epoch = with_row(train_epoch, functions, validation)
        return repeated(epoch, state, epochs, stop, number)

    return fit


def check_functions(functions: Functions) -> None:
    """Refuses what is not a function of what it will be called with."""
    train_step, evaluate, record = functions
    made = "as make_train_step(objective, optimizer) makes"
    arguments, more = ("state", "batch"), ("evaluation",)
    check_function("train_step", train_step, arguments, made, more)
    if evaluate is not None:
        made = "as make_evaluation(model, loss) makes, without a key"
        check_function("evaluate", evaluate, ("params", "validation"), made)
    if record is not None:
        made = "to a pytree of arrays"
        check_function("record", record, ("state", "info", "evaluation"), made)


def check_validation(validation: Batch | None, evaluate: Evaluate | None) -> None:
    """Refuses validation data without what evaluates them, and the reverse."""
    given = {"validation": validation is not None, "evaluate": evaluate is not None}
    if len(set(given.values())) > 1:
        missing, got = sorted(given, key=given.__getitem__)
        raise ValueError(f"{missing} must be given too; got {got} alone.")
    if validation is not None:
        leading_length("validation", validation)


def as_run(
    result: Result, epochs: Int[Array, ""] | np.ndarray, stop: Rule | None
) -> Run:
    """What compiled code returned, as `fit` returns it.

    Args:
        result: that.
        epochs: how many were to be made.
        stop: the rule that it was given.
    """
    state, history, final, watch, ran = result
    if stop is None or watch is None:
        reason = Reason(np.zeros((), np.int32), ("epochs",))
        run = Run(state, history, epochs, reason, final=final)
    else:
        run = Run(
            state,
            history,
            watch.epoch if ran is None else ran,
            Reason(watch.code, ("epochs", *stop.reasons)),
            watch.best,
            stop.having_seen(watch),
            final,
        )
    if not debugging()[0]:
        return run
    return run._replace(
        history=with_missing(run.history, run.epochs),
        final=with_missing_row(run.final, run.epochs),
    )
