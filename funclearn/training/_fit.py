"""A number of epochs in one compiled loop, until a rule stops it."""

from collections.abc import Callable

from jaxtyping import PyTree

from funclearn._types import Batch, Params
from funclearn.stopping import Rule
from funclearn.training._advance import advance
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
    return advance(
        train_step,
        state,
        train,
        validation,
        epochs=epochs,
        number=None,
        batch_size=batch_size,
        evaluate=evaluate,
        record=record,
        stop=stop,
        best_on=best_on,
        best_direction=best_direction,
    )
