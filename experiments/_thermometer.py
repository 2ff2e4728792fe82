"""The training run that several experiments share: a line through eleven readings."""

from collections.abc import Callable, Iterable
from typing import Any, Literal, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
import optax

import funclearn as fl
from funclearn.models import LinearParams

__all__ = [
    "LOSSES",
    "Epoch",
    "Loss",
    "LossName",
    "check_epochs",
    "evaluate",
    "initial_params",
    "objective",
    "record",
    "relative_difference",
    "rows_at",
    "train",
]

objective = fl.make_objective(fl.models.linear, fl.losses.mse)
evaluate = fl.make_evaluation(fl.models.linear, fl.losses.mse)


class Loss(NamedTuple):
    """A loss, and the power of the target's unit that it has."""

    function: Callable[..., jax.Array]
    power: int


LossName: TypeAlias = Literal["mse", "mae", "huber"]

LOSSES: dict[LossName, Loss] = {
    "mse": Loss(fl.losses.mse, 2),
    "mae": Loss(fl.losses.mae, 1),
    "huber": Loss(fl.losses.huber, 2),
}


class Epoch(NamedTuple):
    """An epoch's loss and gradient, and the parameters after its step.

    The history of a run is one too, of arrays `(epochs,)`.
    """

    loss: Any
    weight: Any
    bias: Any
    weight_gradient: Any
    bias_gradient: Any


def initial_params() -> LinearParams:
    """Where every run starts: w = 1, b = 0."""
    return LinearParams(weight=jnp.ones(()), bias=jnp.zeros(()))


def check_epochs(epochs: int) -> None:
    """Refuses a run without a history to show, by ValueError."""
    if epochs < 1:
        raise ValueError(f"epochs must be at least 1; got {epochs}.")


def record(state: fl.TrainState, info: fl.StepInfo, evaluation: Any) -> Epoch:
    """Keeps everything that a full-batch epoch saw and did."""
    return Epoch(info.loss, *state.params, *info.grads)


def train(
    data: fl.Dataset,
    optimizer: optax.GradientTransformation,
    *,
    epochs: int,
    loss: Callable[..., Any] = fl.losses.mse,
    gradient: Any = fl.gradients.autodiff,
    record: Callable[..., Any] = record,
    stop: fl.stopping.Rule | None = None,
) -> fl.Run:
    """Trains from w = 1, b = 0.

    Args:
        data: the readings, raw or scaled, and degrees Celsius.
        optimizer: any optax optimizer.
        epochs: number of full-batch steps.
        loss: of predictions and targets.
        gradient: the way to the gradient.
        record: what to keep of every epoch.
        stop: a rule that ends the run early.

    Returns:
        The run, of NumPy arrays; its history has the epochs that ran.

    Raises:
        ValueError: if `epochs` is less than 1.
    """
    check_epochs(epochs)
    objective = fl.make_objective(fl.models.linear, loss)
    step = fl.make_train_step(objective, optimizer, gradient=gradient)
    state = fl.init_state(jax.random.key(0), initial_params(), optimizer)
    run = fl.fit(step, state, data, epochs=epochs, record=record, stop=stop)
    run = jax.device_get(run)
    return run._replace(
        history=jax.tree.map(lambda column: column[: run.epochs], run.history)
    )


def rows_at(
    history: tuple[np.ndarray, ...], epochs: Iterable[int]
) -> dict[int, list[float]]:
    """The rows of a history at those of the epochs that ran, in order."""
    ran = sorted(epoch for epoch in epochs if epoch <= len(history[0]))
    return {epoch: [float(column[epoch - 1]) for column in history] for epoch in ran}


def relative_difference(found: object, expected: object) -> float:
    """The largest relative difference of two arrays, or of two tuples of arrays.

    Returns:
        0 where both hold the same numbers, infinity where one has more than the other.
    """
    x, y = np.asarray(found, float), np.asarray(expected, float)
    if x.shape != y.shape:
        return np.inf
    # What overflowed on both sides is equal; its difference is no number.
    x, y = x[x != y], y[x != y]
    return float(np.max(np.abs(x - y) / np.abs(y), initial=0))
