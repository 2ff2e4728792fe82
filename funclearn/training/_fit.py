"""A number of epochs in one compiled loop, until a rule stops it."""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, PyTree

from funclearn import _programs
from funclearn._checks import integer_at_least, leading_length
from funclearn._types import Batch, Params
from funclearn.objectives import loss_of
from funclearn.stopping import Observation, Reason, Rule, Watch, begin, observe
from funclearn.training._epoch import Epoch, make_epoch
from funclearn.training._repeat import repeat
from funclearn.training._state import History, Run, StepInfo, TrainState, TrainStep
from funclearn.training._units import as_unit

__all__ = ["fit"]

Evaluate: TypeAlias = Callable[[Params, Batch], PyTree]
Record: TypeAlias = Callable[[TrainState, StepInfo, PyTree], PyTree]


class _Functions(NamedTuple):
    train_step: TrainStep
    evaluate: Evaluate | None
    record: Record | None


class _Result(NamedTuple):
    """What compiled code returns of a run; every array of it has a price.

    Attributes:
        state: as in `Run`, like the next two.
        history: the rows.
        final: the last of them that ran.
        watch: what the rule has seen; None without one.
        epochs: how many ran, where `watch` counts those of earlier runs too.
    """

    state: TrainState
    history: PyTree
    final: PyTree
    watch: Watch | None = None
    epochs: Int[Array, ""] | None = None


def fit(
    train_step: TrainStep,
    state: TrainState,
    train: Batch,
    validation: Batch | None = None,
    *,
    epochs: int,
    batch_size: int | None = None,
    evaluate: Callable[[Params, Batch], PyTree] | None = None,
    record: Callable[[TrainState, StepInfo, PyTree], PyTree] | None = None,
    stop: Rule | None = None,
) -> Run:
    """Trains for a number of epochs, in one compiled loop.

    It is a pure function and compiles itself, once for every step, number of epochs
    and shape of the data, and the program lives as long as the step; under another
    `jax.jit`, `jax.vmap`, `jax.jvp` or `jax.grad` it becomes part of that. n epochs and
    n more from the state that they end with give the bits of 2n epochs.

    Args:
        train_step: `(state, batch) -> (state, info)`, from `make_train_step` or a
            function of your own that keeps the fields of `TrainState`.
        state: where to start; `init_state` makes one.
        train: a pytree of arrays with one leading length, usually a `Dataset`.
        validation: another such pytree, seen by `evaluate` alone.
        epochs: how many times to go through the training data.
        batch_size: rows a step. None takes all rows in every step; otherwise every
            epoch draws a new order, and its last batch holds what is left.
        evaluate: `(params, validation) -> anything`, taken before every epoch, never
            differentiated to train; `make_evaluation` makes one.
        record: `(state, info, evaluation) -> row`, called once an epoch with the state
            after it, the info of its last step and the evaluation before it. The rows
            are stacked to the run's history. None keeps loss and evaluation.
        stop: a rule of `funclearn.stopping`, evaluated inside the loop after every
            epoch. Its validation loss is the scalar that `evaluate` returns, or the
            entry `"loss"` of the dictionary; there is none where it returns neither.
            A run that stops after k epochs is the run of k epochs, bit for bit. Where
            the rule looks at the gradient or the parameters, as `when` always may, or
            at a loss that `record` leaves out, more is computed, and XLA may round
            otherwise: there the same holds beside a run with the same rule.

    Returns:
        The final state, the history, how many epochs ran, and why it ended.

    Raises:
        TypeError: if `epochs` or `batch_size` is not an integer known at trace time,
            a parameter is not floating-point, or `stop` is not a rule.
        ValueError: if `epochs` is negative, `batch_size` is less than 1 or more than
            there are rows, a data set has leaves of unequal length or no rows, or one
            of `validation` and `evaluate` is given without the other.

    Example:
        >>> train, scaler = fl.data.standardise(fl.data.thermometer())
        >>> model, optimizer = fl.models.linear, optax.sgd(0.1)
        >>> objective = fl.make_objective(model, fl.losses.mse)
        >>> step = fl.make_train_step(objective, optimizer)
        >>> key = jax.random.key(0)
        >>> state = fl.init_state(key, model.init(key), optimizer)
        >>> run = fl.fit(step, state, train, epochs=100)
        >>> print(f"{run.final.loss:.3f}", run.epochs, run.reason)
        2.928 100 epochs
        >>> line = scaler.unscale(run.state.params)
        >>> print(f"{line.weight:.3f} t_u + {line.bias:.2f}")
        0.537 t_u + -17.30
    """
    epochs = integer_at_least("epochs", epochs, 0)
    if batch_size is not None:
        batch_size = integer_at_least("batch_size", batch_size, 1)
    if stop is not None and not isinstance(stop, Rule):
        raise TypeError(
            "stop must be a rule of funclearn.stopping, such as patience(10); got "
            f"{stop!r}."
        )
    functions = _Functions(train_step, evaluate, record)
    program = _programs.kept(_compile, functions, epochs, batch_size)
    return _as_run(program(state, train, validation, stop), epochs, stop)


def _compile(
    take: Callable[[], tuple[PyTree, ...]], epochs: int, batch_size: int | None
) -> Callable[..., _Result]:
    @jax.jit
    def fit(
        state: TrainState, train: Batch, validation: Batch | None, stop: Rule | None
    ) -> _Result:
        functions = _Functions(*take())
        leading_length("train", train)
        _check_validation(validation, functions.evaluate)
        # By default it is a Python number, whose type would change in the loop.
        state = state._replace(epoch=jnp.asarray(state.epoch, jnp.int32))
        train_epoch = make_epoch(functions.train_step, train, batch_size)
        epoch = _evaluated(train_epoch, functions, validation)
        if stop is None:
            return _all_epochs(epoch, state, epochs)
        return _until(stop, epoch, state, epochs)

    return fit


def _check_validation(validation: Batch | None, evaluate: Evaluate | None) -> None:
    given = {"validation": validation is not None, "evaluate": evaluate is not None}
    if len(set(given.values())) > 1:
        missing, got = sorted(given, key=given.__getitem__)
        raise ValueError(f"{missing} must be given too; got {got} alone.")
    if validation is not None:
        leading_length("validation", validation)


class _Seen(NamedTuple):
    """An epoch: the state after it, its row, and what a rule sees of it."""

    state: TrainState
    row: PyTree
    observe: Callable[[], Observation]


def _evaluated(
    train_epoch: Epoch, functions: _Functions, validation: Batch | None
) -> Callable[[TrainState], _Seen]:
    """Adds the evaluation, which comes before the first update, and the row."""
    _, evaluate, record = functions

    def epoch(state: TrainState) -> _Seen:
        evaluation = None if evaluate is None else evaluate(state.params, validation)
        after, info, loss = train_epoch(state)
        if record is None:
            row = History(loss, evaluation)
        else:
            row = record(_counted(after), info, evaluation)

        # Only where a rule asks: a step of the user's own may have no gradient to show.
        def observation() -> Observation:
            judged = loss_of(evaluation)
            return Observation(loss, judged, info.grads, state.params, after.params)

        return _Seen(after, row, observation)

    return epoch


def _all_epochs(
    epoch: Callable[[TrainState], _Seen], state: TrainState, epochs: int
) -> _Result:
    unit = as_unit(lambda state: epoch(state)[:2])

    def unwatched(state: TrainState) -> tuple[TrainState, PyTree]:
        state, row = unit(state)
        return _counted(state), row

    state, final, history = repeat(unwatched, state, epochs)
    return _Result(state, history, final)


def _counted(state: TrainState) -> TrainState:
    # Outside of a unit, whose every result takes time.
    return state._replace(epoch=state.epoch + 1)


def _until(
    stop: Rule, epoch: Callable[[TrainState], _Seen], state: TrainState, epochs: int
) -> _Result:
    @as_unit
    def unit(state: TrainState) -> tuple[TrainState, PyTree, Observation]:
        after, row, observe = epoch(state)
        return after, row, observe().seen_by(stop)

    def watched(carry: tuple[TrainState, Watch]) -> tuple[PyTree, PyTree]:
        state, row, seen = unit(carry[0])
        return (_counted(state), observe(stop, carry[1], seen)), row

    start = begin(stop, jax.eval_shape(lambda: epoch(state).observe()))
    (state, watch), final, history = repeat(
        watched, (state, start), epochs, lambda carry: carry[1].code == 0
    )
    # A rule that goes on counts earlier epochs too.
    ran = None if stop.watch is None else watch.epoch - stop.watch.epoch
    return _Result(state, history, final, watch, ran)


def _as_run(result: _Result, epochs: int, stop: Rule | None) -> Run:
    state, history, final, watch, ran = result
    if stop is None or watch is None:
        reason = Reason(np.zeros((), np.int32), ("epochs",))
        return Run(state, history, np.asarray(epochs, np.int32), reason, final=final)
    return Run(
        state,
        history,
        watch.epoch if ran is None else ran,
        Reason(watch.code, ("epochs", *stop.reasons)),
        watch.best,
        dataclasses.replace(stop, watch=watch),
        final,
    )
