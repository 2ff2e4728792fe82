"""A training run as a pure function.

    train_step : (state, batch)       -> (state, info)
    fit        : (step, state, data)  -> run, with its final state and its history

The state holds everything that the next step depends on, so a run can be cut after
any epoch and continued; nothing is hidden, so it can be compiled whole, mapped and
differentiated like any other function.

Randomness derives from the state's key, which never changes: a step draws from
`fold_in(fold_in(key, 0), step)`, and the order of an epoch's minibatches from
`fold_in(fold_in(key, 1), epoch)`.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray

from funclearn import gradients
from funclearn._checks import (
    check_floating,
    check_key,
    check_same_structure,
    integer_at_least,
    leading_length,
)
from funclearn._loops import as_unit, repeat
from funclearn._types import Batch, GradientMethod, Objective, Params, Scalar
from funclearn.data import check_batch_size, take
from funclearn.stopping import (
    Best,
    Observation,
    Reason,
    Rule,
    Watch,
    begin,
    looks_at,
    observe,
)

__all__ = [
    "History",
    "Run",
    "StepInfo",
    "TrainState",
    "TrainStep",
    "fit",
    "init_state",
    "make_train_step",
]

_NOISE_STREAM, _ORDER_STREAM = 0, 1
_SHORT_GRADIENT = 64  # parameters


class TrainState(NamedTuple):
    """Everything that the rest of a run depends on.

    Attributes:
        params: the model's parameters.
        opt_state: the optimizer's state.
        key: constant through the run; every step derives its own from it.
        step: number of updates made.
    """

    params: Params
    opt_state: optax.OptState
    key: PRNGKeyArray
    step: Int[Array, ""]


class StepInfo(NamedTuple):
    """What one step saw, at the parameters before its update."""

    loss: Scalar
    grads: Params


class History(NamedTuple):
    """One row an epoch, taken at the parameters before the epoch's first update.

    Attributes:
        loss: `(epochs,)`, the training objective; with minibatches the mean of the
            batches' losses, each before its own update, weighted by their sizes.
        evaluation: what `evaluate` returned, stacked; None without validation.
    """

    loss: Float[Array, " epochs"]
    evaluation: Any


class Run(NamedTuple):
    """The result of `fit`.

    Attributes:
        state: the state after the last epoch.
        history: a `History`, or what `record` returned, stacked along axis 0. After
            an early stop the rows that never ran are NaN in floating leaves and zero
            in others.
        epochs: number of epochs that ran, the valid rows of the history.
        reason: why it ended there.
        best: with a stopping rule and validation, the parameters with the lowest
            validation loss; else None.
        stop: the stopping rule with all that it has seen. Given to another `fit` it
            goes on from there: patience keeps counting.
    """

    state: TrainState
    history: Any
    epochs: Int[Array, ""] | np.ndarray
    reason: Reason
    best: Best | None = None
    stop: Rule | None = None


TrainStep: TypeAlias = Callable[[TrainState, Batch], tuple[TrainState, StepInfo]]
"""`(state, batch) -> (state, info)`, pure."""


def init_state(
    key: PRNGKeyArray, params: Params, optimizer: optax.GradientTransformation
) -> TrainState:
    """The state before the first step.

    Args:
        key: the run's own key, for noise and the order of minibatches.
        params: the initial parameters, a pytree of floating-point arrays.
        optimizer: the optimizer that the train step will use.

    Raises:
        TypeError: if `key` is not a typed key or a parameter is not floating-point.
        ValueError: if there are no parameters.
    """
    check_key("key", key)
    check_floating("params", params)
    # Python floats would be weakly typed, and the next state would not be.
    params = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.result_type(leaf)), params)
    return TrainState(params, optimizer.init(params), key, jnp.zeros((), jnp.int32))


def make_train_step(
    objective: Objective,
    optimizer: optax.GradientTransformation,
    *,
    gradient: GradientMethod = gradients.autodiff,
) -> TrainStep:
    """Joins an objective, an optimizer and a way to the gradient to one update.

    The optimizer is given the loss, the gradient and the objective at the step's own
    batch as `value`, `grad` and `value_fn`, so optimizers with a line search go
    through the same step. Parameters are frozen by optax's masks. Of `optax.lbfgs` a
    run's derivatives are exact with `scale_init_precond=False`; otherwise optax takes
    its first scaling as constant.

    Args:
        objective: `(params, batch, key) -> scalar`.
        optimizer: any optax gradient transformation.
        gradient: `funclearn.gradients.autodiff`, `finite_difference()` or
            `given(closed_form)`.

    Returns:
        `train_step(state, batch) -> (state, StepInfo(loss, grads))`, pure. It raises
        ValueError while tracing if `state` was made for another optimizer.
    """
    value_and_grad = gradient(objective)
    update = optax.with_extra_args_support(optimizer).update

    def train_step(state: TrainState, batch: Batch) -> tuple[TrainState, StepInfo]:
        check_key("state.key", state.key)
        check_floating("state.params", state.params)
        check_same_structure(
            "state.opt_state",
            state.opt_state,
            jax.eval_shape(optimizer.init, state.params),
            "the state of the optimizer that this train step was made with",
        )
        key = jax.random.fold_in(
            jax.random.fold_in(state.key, _NOISE_STREAM), state.step
        )
        loss, grads = value_and_grad(state.params, batch, key)
        updates, opt_state = update(
            grads,
            state.opt_state,
            state.params,
            value=loss,
            grad=grads,
            value_fn=lambda params: objective(params, batch, key),
        )
        params = optax.apply_updates(state.params, updates)
        if _has_line_search(opt_state):
            params = _forward_mode_only(params)
        return (
            TrainState(params, opt_state, state.key, state.step + 1),
            StepInfo(loss, grads),
        )

    return train_step


def fit(
    train_step: TrainStep,
    state: TrainState,
    train: Batch,
    validation: Batch | None = None,
    *,
    epochs: int,
    batch_size: int | None = None,
    evaluate: Callable[[Params, Batch], Any] | None = None,
    record: Callable[[TrainState, StepInfo, Any], Any] | None = None,
    stop: Rule | None = None,
) -> Run:
    """Trains for a number of epochs, in one compiled loop.

    It is a pure function and compiles itself, once for every step, number of epochs
    and shape of the data; under another `jax.jit`, `jax.vmap`, `jax.jvp` or
    `jax.grad` it becomes part of that. n epochs and n more from the state that they
    end with give the bits of 2n epochs.

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
            the rule looks at the gradient or the parameters, or at a loss that `record`
            leaves out, more is computed, and XLA may round otherwise: there the same
            holds beside a run with the same rule.

    Returns:
        The final state, the history, how many epochs ran, and why it ended.

    Raises:
        TypeError: if `epochs` or `batch_size` is not an integer known at trace time,
            a parameter is not floating-point, or `stop` is not a rule.
        ValueError: if `epochs` is negative, `batch_size` is less than 1 or more than
            there are rows, a data set has leaves of unequal length or no rows, or one
            of `validation` and `evaluate` is given without the other.
    """
    epochs = integer_at_least("epochs", epochs, 0)
    if batch_size is not None:
        batch_size = integer_at_least("batch_size", batch_size, 1)
    if stop is not None and not isinstance(stop, Rule):
        raise TypeError(
            "stop must be a rule of funclearn.stopping, such as patience(10); got "
            f"{stop!r}."
        )
    state, history, watch, epochs_on = _fit(
        train_step,
        state,
        train,
        validation,
        epochs=epochs,
        batch_size=batch_size,
        evaluate=evaluate,
        record=record,
        stop=stop,
    )
    # Put together out here, since every array that compiled code returns has a price.
    if stop is None:
        reason = Reason(np.zeros((), np.int32), ("epochs",))
        return Run(state, history, np.asarray(epochs, np.int32), reason)
    return Run(
        state,
        history,
        watch.epoch if epochs_on is None else epochs_on,
        Reason(watch.code, ("epochs", *stop.reasons)),
        watch.best,
        dataclasses.replace(stop, watch=watch),
    )


@functools.partial(
    jax.jit,
    static_argnames=("train_step", "epochs", "batch_size", "evaluate", "record"),
)
def _fit(
    train_step, state, train, validation, *, epochs, batch_size, evaluate, record, stop
) -> tuple[TrainState, Any, Watch | None, Int[Array, ""] | None]:
    leading_length("train", train)
    if (validation is None) != (evaluate is None):
        missing = "evaluate" if evaluate is None else "validation"
        raise ValueError(f"{missing} must be given too; got validation or evaluate.")
    if validation is not None:
        leading_length("validation", validation)
    run_epoch = _make_epoch(train_step, train, batch_size)

    def epoch(state: TrainState) -> tuple[TrainState, Any, Any]:
        evaluation = None if evaluate is None else evaluate(state.params, validation)
        after, info, loss = run_epoch(state)
        if record is None:
            row = History(loss, evaluation)
        else:
            row = record(after, info, evaluation)
        seen = None
        if stop is not None:
            seen = Observation(
                loss=loss,
                validation=_validation_loss(evaluation),
                grads=info.grads,
                squared_gradient_norm=_squared_norm(info.grads),
                before=state.params,
                after=after.params,
            )
        return after, row, seen

    if stop is None:
        unwatched_epoch = as_unit(lambda state: epoch(state)[:2])
        return *repeat(unwatched_epoch, state, epochs), None, None

    seen = jax.eval_shape(epoch, state)[2]
    start = begin(stop, seen)
    returned = looks_at(stop, start, seen)
    # For its norm XLA would compute a gradient anew, which costs less than to return
    # it only where it is long.
    norm_of_returned = (
        "squared_gradient_norm" in returned
        and sum(leaf.size for leaf in jax.tree.leaves(seen.grads)) <= _SHORT_GRADIENT
    )
    if norm_of_returned:
        returned = returned - {"squared_gradient_norm"} | {"grads"}
    blank = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), seen)
    unseen = {
        name: getattr(blank, name)
        for name in ("loss", "grads", "squared_gradient_norm")
        if name not in returned
    }

    @as_unit
    def seen_epoch(state: TrainState) -> tuple[TrainState, Any, Observation]:
        after, row, seen = epoch(state)
        return after, row, seen._replace(**dict.fromkeys(unseen))

    def watched_epoch(carry: tuple[TrainState, Watch]) -> tuple[Any, Any]:
        state, watch = carry
        state, row, seen = seen_epoch(state)
        seen = seen._replace(**unseen)
        if norm_of_returned:
            seen = seen._replace(squared_gradient_norm=_squared_norm(seen.grads))
        return (state, observe(stop, watch, seen)), row

    (state, watch), history = repeat(
        watched_epoch, (state, start), epochs, lambda carry: carry[1].code == 0
    )
    epochs_on = None if stop.watch is None else watch.epoch - stop.watch.epoch
    return state, history, watch, epochs_on


def _validation_loss(evaluation: Any) -> Scalar | None:
    loss = evaluation.get("loss") if isinstance(evaluation, dict) else evaluation
    if not isinstance(loss, jax.Array | np.generic | float | int) or jnp.shape(loss):
        return None
    # A number of mistakes is a loss too, and the lowest one starts at infinity.
    return jnp.asarray(loss, jnp.result_type(loss, float))


def _squared_norm(grads: Params) -> Scalar:
    def square(leaf: Array) -> Array:
        # Squares of half precision would underflow.
        return jnp.square(leaf.astype(jnp.promote_types(leaf.dtype, jnp.float32)))

    return jnp.asarray(optax.tree.sum(jax.tree.map(square, grads)))


def _make_epoch(
    train_step: TrainStep, train: Batch, batch_size: int | None
) -> Callable[[TrainState], tuple[TrainState, StepInfo, Scalar]]:
    """Makes `state -> (state, last info, mean loss)`, one pass over the data."""
    if batch_size is None:

        def full_batch(state: TrainState) -> tuple[TrainState, StepInfo, Scalar]:
            state, info = train_step(state, train)
            return state, info, info.loss

        return full_batch

    n_rows = leading_length("train", train)
    batch_size = check_batch_size(batch_size, n_rows)
    n_full, n_left = divmod(n_rows, batch_size)
    n_steps = n_full + bool(n_left)

    def minibatches(state: TrainState) -> tuple[TrainState, StepInfo, Scalar]:
        key = jax.random.fold_in(state.key, _ORDER_STREAM)
        order = jax.random.permutation(
            jax.random.fold_in(key, state.step // n_steps), n_rows
        )

        def step(carry: tuple[TrainState, Any], rows: Array) -> tuple[Any, Scalar]:
            state, info = train_step(carry[0], take(train, rows))
            return (state, info), info.loss

        full, left = order[: n_full * batch_size], order[n_full * batch_size :]
        info = jax.tree.map(
            lambda leaf: jnp.zeros(leaf.shape, leaf.dtype),
            jax.eval_shape(train_step, state, take(train, full[:batch_size]))[1],
        )
        (state, info), losses = jax.lax.scan(
            step, (state, info), full.reshape(n_full, batch_size)
        )
        total = batch_size * jnp.sum(losses)
        if n_left:
            (state, info), loss = step((state, info), left)
            total += n_left * loss
        return state, info, total / n_rows

    return minibatches


def _has_line_search(opt_state: Any) -> bool:
    kinds = (optax.ScaleByBacktrackingLinesearchState, optax.ScaleByZoomLinesearchState)
    nodes = jax.tree.leaves(opt_state, is_leaf=lambda node: isinstance(node, kinds))
    return any(isinstance(node, kinds) for node in nodes)


@jax.custom_jvp
def _forward_mode_only(params: Params) -> Params:
    return params


@_forward_mode_only.defjvp
def _forward_mode_only_jvp(primals: Any, tangents: Any) -> tuple[Any, Any]:
    def refuse(_, cotangent: Any) -> Any:
        raise ValueError(
            "optimizer has a line search, a loop of unknown length, which reverse-mode "
            "differentiation (jax.grad) of a run cannot cross; use forward mode "
            "(jax.jvp, jax.jacfwd), or an optimizer without a line search."
        )

    (params,), (tangent,) = primals, tangents
    identity = jax.custom_derivatives.linear_call
    return params, identity(lambda _, tangent: tangent, refuse, (), tangent)
