"""A number of epochs in one compiled loop, until a rule stops it."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

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
from funclearn.training._state import Run, StepInfo, TrainState, TrainStep

__all__ = ["fit"]


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
    best_on: str | None = None,
    best_direction: str = "min",
) -> Run:
    """Trains for a number of epochs, in one compiled loop.

    It is a pure function and compiles itself, once for every step, number of epochs
    and shape of the data, and the program lives as long as the step; under another
    `jax.jit`, `jax.vmap`, `jax.jvp` or `jax.grad` it becomes part of that. n epochs and
    n more from the state that they end with give the bits of 2n epochs.

    Args:
        train_step: `(state, batch) -> (state, info)`, from `make_train_step` or a
            function of your own that keeps the fields of `TrainState`. If it has a
            parameter `evaluation`, every step of an epoch is given what `evaluate`
            returned at its start, or None.
        state: where to start; `init_state` makes one.
        train: a pytree of arrays with one leading length, usually a `Dataset`. If its
            rows are sharded over devices, then by a mesh of axes of type Auto
            (`jax.sharding.AxisType.Auto`): over explicit axes, the default of
            `jax.make_mesh`, `jax.grad` itself asks for the sharding of every product.
        validation: another such pytree, seen by `evaluate` alone.
        epochs: how many times to go through the training data.
        batch_size: rows a step. None takes all rows in every step; otherwise every
            epoch draws a new order, and its last batch holds what is left.
        evaluate: `(params, validation) -> anything`, taken before every epoch, never
            differentiated to train; `make_evaluation` makes one. Of
            `optax.LookaheadParams` it is given the slow ones; of a step that averages
            the weights both sets, as `state.params` holds them: a function of your own
            reads one by `funclearn.training.averaged` or `latest`.
        record: `(state, info, evaluation) -> row`, called once an epoch with the state
            after it, the info of its last step and the evaluation before it. The rows
            are stacked to the run's history. None keeps loss and evaluation.
        stop: a rule of `funclearn.stopping`, evaluated inside the loop after every
            epoch. Its validation loss is the scalar that `evaluate` returns, or the
            entry `"loss"` of the dictionary; a rule that would watch it is refused
            where there is none.
            A run that stops after k epochs is the run of k epochs, bit for bit. Where
            the rule looks at the gradient or the parameters, as `when` always may, or
            at a loss that `record` leaves out, more is computed, and XLA may round
            otherwise: there the same holds beside a run with the same rule.
        best_on: what `run.best` goes by: `"validation"`, `"loss"`, or the name of
            another entry of what `evaluate` returns, as in `funclearn.stopping`. None
            leaves it to the rule.
        best_direction: `"min"`, or `"max"` if more of that is better.

    Returns:
        The final state, the history, how many epochs ran, and why it ended.

    Raises:
        TypeError: if `epochs` or `batch_size` is not an integer known at trace time,
            a parameter is not floating-point, `state` has not the fields of a
            `TrainState`, a leaf of the data is not an array of numbers, `stop` is not a
            rule, or another argument not a function of what it is called with.
        ValueError: if `epochs` is negative, `batch_size` is less than 1 or more than
            there are rows, a data set has leaves of unequal length or no rows, one of
            `validation` and `evaluate` is given without the other, `stop` watches a
            loss that there is not, `best_on` names one, or the rows are sharded over
            explicit axes.

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
    check_state(train_step, state)
    train = as_dataset("train", train)
    if validation is not None:
        validation = as_dataset("validation", validation)
    if stop is not None and not isinstance(stop, Rule):
        raise TypeError(
            "stop must be a rule of funclearn.stopping, such as patience(10); got "
            f"{described(stop)}."
        )
    if best_on is not None or best_direction != "min":
        on = "validation" if best_on is None else best_on
        goal = make_goal(on, best_direction, prefix="best_")
        stop = (never() if stop is None else stop).with_best_by(goal)
    functions, debugged = Functions(train_step, evaluate, record), debugging()
    program = _programs.kept(_compile, functions, epochs, batch_size, debugged)
    try:
        state = prepare_state(train_step, state)
        result = program(state, train, validation, stop)
    except Exception as error:
        explain(error, state=state)
        raise
    run = _as_run(result, epochs, stop)
    return _with_missing(run) if debugged[0] else run


def _compile(
    take: Callable[[], tuple[PyTree, ...]],
    epochs: int,
    batch_size: int | None,
    debugged: tuple[bool, bool],
) -> Callable[..., Result]:
    del debugged  # what is traced differs by it

    @jax.jit
    def fit(
        state: TrainState, train: Batch, validation: Batch | None, stop: Rule | None
    ) -> Result:
        functions = Functions(*take())
        _check_functions(functions)
        leading_length("train", train)
        _check_validation(validation, functions.evaluate)
        # By default it is a Python number, whose type would change in the loop.
        state = state._replace(epoch=jnp.asarray(state.epoch, jnp.int32))
        train_epoch = make_epoch(functions.train_step, train, batch_size)
        epoch = with_row(train_epoch, functions, validation)
        return repeated(epoch, state, epochs, stop)

    return fit


def _check_functions(functions: Functions) -> None:
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


def _check_validation(validation: Batch | None, evaluate: Evaluate | None) -> None:
    given = {"validation": validation is not None, "evaluate": evaluate is not None}
    if len(set(given.values())) > 1:
        missing, got = sorted(given, key=given.__getitem__)
        raise ValueError(f"{missing} must be given too; got {got} alone.")
    if validation is not None:
        leading_length("validation", validation)


def _as_run(result: Result, epochs: int, stop: Rule | None) -> Run:
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
        stop.having_seen(watch),
        final,
    )


def _with_missing(run: Run) -> Run:
    return run._replace(
        history=with_missing(run.history, run.epochs),
        final=with_missing_row(run.final, run.epochs),
    )
