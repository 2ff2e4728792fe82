"""One update of the parameters."""

from collections.abc import Callable

import jax
from jaxtyping import PyTree

from funclearn import gradients
from funclearn._checks import (
    check_floating,
    check_key,
    check_same_structure,
)
from funclearn._notes import has_averages, own, trainable
from funclearn._types import (
    Batch,
    GradientMethod,
    Objective,
    Params,
    Scalar,
    ScalarLike,
)
from funclearn.training._averages import Averaging, make_averaging
from funclearn.training._loss_scale import all_finite, chosen, loss_scale
from funclearn.training._refusals import check_function
from funclearn.training._slope import Slope, make_slope
from funclearn.training._state import StepInfo, TrainState, TrainStep
from funclearn.training._update import Optimizer, check_optimizer, moved

__all__ = ["make_train_step"]

_NOISE_STREAM, _ORDER_STREAM = 0, 1


def make_train_step(
    objective: Objective,
    optimizer: Optimizer,
    *,
    gradient: GradientMethod = gradients.autodiff,
    ema: ScalarLike | None = None,
    swa: range | None = None,
    blocks: int | None = None,
) -> TrainStep:
    """Joins an objective, an optimizer and a way to the gradient to one update.

    The optimizer is given the loss, the gradient and the objective at the step's own
    batch and key as `value`, `grad` and `value_fn` (`obj_fn` for
    `optax.contrib.sophia`), the gradient's function as `grad_fn` (for
    `optax.contrib.sam`), the number of epochs made as `epoch`, and as `evaluation`
    what `evaluate` returned at the start of the epoch, the same in all its steps, as
    far as it and what is nested in it take them, so all of optax goes through the same
    step. Parameters are frozen by optax's masks. Of
    `optax.lbfgs` a run's derivatives are exact with `scale_init_precond=False`;
    otherwise optax takes its first scaling as constant. Of `optax.LookaheadParams` the
    fast ones are trained. Of a model that takes notes (`funclearn.models.Noted`) the
    optimizer, its masks and the gradient see the part that is trained alone.

    With `blocks`, the rows of the data, sharded over a mesh of axes of type Auto, say
    which devices there are; so does `jax.set_mesh`. Every device evaluates its blocks
    one after the other, their losses and gradients are gathered, and added in one
    order, weighted by what their rows count. So the objective must be a mean over rows,
    as those of `make_objective` are. Where `blocks` does not divide the rows of a
    `Dataset`, copies of its last row, of weight 0, are added: the loss must take
    weights, and what a model does to all rows of a batch together sees them. The n-th
    block, from 0, is given `jax.random.fold_in(key, n)`. What a model notes every block
    notes by itself, from the notes before the step: the mean of the blocks is kept
    where it is floating-point, the first block's otherwise, and batch normalisation
    normalises every block by itself. It takes the memory of `blocks` gradients on every
    device, and about 1.05 to 50 times as long as without, the most for a line through a
    few rows. Validation data must be replicated where bits of their evaluation matter,
    as to a rule that stops by it.

    Args:
        objective: `(params, batch, key) -> scalar`.
        optimizer: any optax gradient transformation.
        gradient: `funclearn.gradients.autodiff`, `finite_difference()`,
            `given(closed_form)` or `accumulated(batch_size)`.
        ema: the decay of an exponential average of the weights, in [0, 1): after every
            step `average = ema * average + (1 - ema) * params`, after the first one
            the parameters themselves, as PyTorch's `AveragedModel`.
        swa: epochs, counted from 0, of whose ends the mean is taken, such as
            `range(75, 100)`, or `range(75, 100, 5)` for every fifth of them. Averages
            of either kind are held in `state.params`, beside the parameters
            (`funclearn.training.averaged` and `latest` read them); a model's own
            floating-point notes are averaged with the weights.
        blocks: a number of blocks of rows, such as 8, of which every batch's gradient
            is made, so that a run on a CPU has the same bits on all numbers of devices
            and processes that divide it, and on one without a mesh; with jaxlib
            0.12.0.1 NAdam and RAdam have been seen to differ by roundings. None makes
            it as XLA likes, to rounding the same.

    Returns:
        `train_step(state, batch) -> (state, StepInfo(loss, grads))`, pure; `fit` gives
        it the keyword `evaluation` besides, where there is one. While
        tracing it raises ValueError if `state` was made for another optimizer, and
        TypeError or ValueError if the objective returns no floating-point scalar, the
        gradient method no loss and gradient, or the optimizer needs another keyword.

    Raises:
        TypeError: if `objective` or `gradient` is not a function of its arguments,
            `optimizer` not an optimizer, `ema` no number, `swa` no range, or `blocks`
            no integer.
        ValueError: if `ema` is not in [0, 1), `swa` not a range of epochs, both are
            given, or `blocks` is less than 1; while tracing, if it is no multiple of
            the number of devices, or does not divide the number of rows of data that
            are no `Dataset`.

    Example:
        >>> optimizer = optax.sgd(0.1)
        >>> def objective(w, batch, key):
        ...     return jnp.mean(batch * w**2)
        >>> step = fl.make_train_step(objective, optimizer)
        >>> state = fl.init_state(jax.random.key(0), 3.0, optimizer)
        >>> state, info = step(state, jnp.ones(4))
        >>> print(info.loss, info.grads, f"{state.params:.1f}")
        9.0 6.0 2.4
    """
    _check_parts(objective, optimizer, gradient)
    averaging = make_averaging(ema, swa)
    slope_at = make_slope(objective, gradient, blocks)

    def train_step(
        state: TrainState, batch: Batch, *, evaluation: PyTree = None
    ) -> tuple[TrainState, StepInfo]:
        if averaging is not None:
            state = averaging.prepared(state)
        _check_state(state, optimizer, averaging)
        stream = jax.random.fold_in(state.key, _NOISE_STREAM)
        key = jax.random.fold_in(stream, state.step)
        before, scale = own(state.params), loss_scale(state.opt_state)
        slope = slope_at(before, batch, key, scale)
        loss, grads, made = slope.loss, slope.grads, True
        arrays = {"value": loss, "grad": grads, "epoch": state.epoch}
        arrays |= {} if evaluation is None else {"evaluation": evaluation}
        functions = _functions(slope, batch, key)
        given = slope.params, grads, state.opt_state, arrays, functions
        params, opt_state = moved(optimizer, *given, apart=blocks is not None)
        if scale is not None:
            params = chosen(made := all_finite(grads), params, before)
        if averaging is not None:
            params = averaging.updated(state, params, made)
        state = state._replace(params=params, opt_state=opt_state, step=state.step + 1)
        return state, StepInfo(loss, grads)

    if averaging is not None:
        # As an attribute, which `functools.wraps` hands on.
        vars(train_step)["prepared"] = averaging.prepared
    return train_step


def _check_parts(objective: object, optimizer: object, gradient: object) -> None:
    made = "as make_objective(model, loss) makes, which returns the loss"
    check_function("objective", objective, ("params", "batch", "key"), made)
    check_optimizer("optimizer", optimizer)
    made = "such as funclearn.gradients.autodiff, finite_difference() or given(...)"
    check_function("gradient", gradient, ("objective",), made)


def _check_state(
    state: TrainState, optimizer: Optimizer, averaging: Averaging | None
) -> None:
    check_key("state.key", state.key)
    params = state.params
    if averaging is None and has_averages(params):
        raise ValueError(
            "state.params must hold no averages where the train step was made without "
            "ema and swa; start from state._replace(params="
            "funclearn.training.latest(state.params)), or averaged."
        )
    free = trainable(params)
    check_floating("state.params", free)
    check_same_structure(
        "state.opt_state",
        state.opt_state,
        jax.eval_shape(optimizer.init, free),
        "the state of the optimizer that this train step was made with",
    )


def _functions(
    slope: Slope, batch: Batch, key: PyTree
) -> dict[str, Callable[..., PyTree]]:
    """The step's objective and its gradient, by the names that optax gives them."""

    # Optax's line searches refuse keywords that their function has no room for by name.
    def value_fn(
        params: Params,
        *,
        obj_fn: object = None,
        grad_fn: object = None,
        epoch: object = None,
        evaluation: object = None,
    ) -> Scalar:
        del obj_fn, grad_fn, epoch, evaluation
        return slope.loss_at(params, batch, key)

    # Of an adversarial step of SAM, which a number comes with.
    def grad_fn(params: Params, *_: PyTree) -> Params:
        return slope.value_and_grad(params, batch, key)[1]

    return {"value_fn": value_fn, "obj_fn": value_fn, "grad_fn": grad_fn}
