"""The function that judges."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree

from funclearn._arrays import narrowed
from funclearn._checks import integer_at_least, leading_length
from funclearn._notes import averaged as average_of
from funclearn._notes import own
from funclearn._types import Batch, Params, Scalar, ScalarLike
from funclearn._weights import total_of
from funclearn._words import described
from funclearn.data import Dataset
from funclearn.metrics import Metric
from funclearn.models import Model
from funclearn.objectives._parts import check_parts, read, weighed

__all__ = ["make_evaluation"]

_Functions: TypeAlias = dict[str, Callable[..., PyTree]]
_Sums: TypeAlias = dict[str, PyTree]


def make_evaluation(
    model: Model,
    loss: Callable[[Array, Array], Scalar],
    metrics: Mapping[str, Callable[[Array, Array], PyTree]] | None = None,
    *,
    batch_size: int | None = None,
    averaged: bool = False,
) -> Callable[[Params, Batch], PyTree]:
    """Joins model and loss to `evaluate(params, dataset)`.

    Args:
        model: its `apply` makes the predictions.
        loss: `(predictions, targets) -> scalar`; of data with weights it is given them
            as `weights`, and so are metrics.
        metrics: further functions of predictions and targets, by name; those of
            `funclearn.metrics`, say.
        batch_size: how many rows are predicted at once, one batch after the other, so
            that large data sets need no more memory than that. The last batch may be
            short: metrics of `funclearn.metrics` are those of all rows, and of other
            functions, the loss among them, the mean by what the rows of each batch
            count is taken, which is right if they are means over rows. None: all rows.
        averaged: whether to evaluate the average of the weights that a train step made
            with `ema` or `swa` keeps, instead of the weights.

    Returns:
        A pure function `(params, dataset) -> loss`; with metrics it returns a
        dictionary of the loss, under `"loss"`, and of every metric.

    Raises:
        TypeError: if `model` is no model, or `loss` or a metric no function, or
            `batch_size` no integer; when it is called, if the data are no `Dataset` of
            arrays of numbers, or have weights that a function does not take.
        ValueError: if a metric is named `"loss"`, or `batch_size` is less than 1; when
            it is called, if `averaged` is true of parameters without averages.

    Example:
        >>> evaluate = fl.make_evaluation(
        ...     fl.models.linear, fl.losses.mse, {"mae": fl.losses.mae}
        ... )
        >>> params = fl.models.LinearParams(jnp.float32(2), jnp.float32(0))
        >>> rows = fl.Dataset(jnp.array([1.0, 2.0]), jnp.array([1.0, 6.0]))
        >>> for name, value in evaluate(params, rows).items():
        ...     print(name, value)
        loss 2.5
        mae 1.5
    """
    check_parts(model, loss)
    functions = {"loss": loss, **(metrics or {})}
    if metrics is not None and "loss" in metrics:
        raise ValueError('metrics must not contain "loss", the name of the loss.')
    for name, function in functions.items():
        if not callable(function):
            raise TypeError(
                f"metrics[{name!r}] must be a function of predictions and targets; got "
                f"{described(function)}."
            )
    if batch_size is not None:
        batch_size = integer_at_least("batch_size", batch_size, 1)

    def evaluate(params: Params, dataset: Batch) -> PyTree:
        params = average_of(params) if averaged else own(params)
        if batch_size is None:
            values = _values(model, functions, params, dataset)
        else:
            values = _in_batches(model, functions, params, dataset, batch_size)
        return values["loss"] if metrics is None else values

    return evaluate


def _values(
    model: Model, functions: _Functions, params: Params, dataset: Batch
) -> dict[str, PyTree]:
    inputs, targets, weights = read("dataset", params, dataset)
    predictions = model.apply(params, inputs)
    if weights is not None:
        # What is not a metric is a mean, and there is none of rows that do not count.
        functions = {name: _as_metric(name, of) for name, of in functions.items()}
    return {
        name: weighed(_called(name), function, weights)(predictions, targets)
        for name, function in functions.items()
    }


def _in_batches(
    model: Model,
    functions: _Functions,
    params: Params,
    dataset: Batch,
    batch_size: int,
) -> dict[str, PyTree]:
    read("dataset", params, dataset)  # for what it refuses
    dataset = jax.tree.map(jnp.asarray, narrowed("dataset", dataset))
    n_rows = leading_length("dataset", dataset)
    parts = {name: _as_metric(name, of) for name, of in functions.items()}

    def sums(start: ScalarLike, size: int) -> _Sums:
        def rows(leaf: Array) -> Array:
            return jax.lax.dynamic_slice_in_dim(leaf, start, size)

        inputs, targets, weights = read("dataset", params, jax.tree.map(rows, dataset))
        predictions = model.apply(params, inputs)
        return {
            name: part.gather(predictions, targets, weights)
            for name, part in parts.items()
        }

    def merged(one: _Sums, other: _Sums) -> _Sums:
        return {
            name: part.merge(one[name], other[name]) for name, part in parts.items()
        }

    total = _of_all(sums, merged, n_rows, batch_size)
    return {name: part.value(total[name]) for name, part in parts.items()}


def _of_all(
    sums: Callable[[ScalarLike, int], _Sums],
    merged: Callable[[_Sums, _Sums], _Sums],
    n_rows: int,
    batch_size: int,
) -> _Sums:
    """The sums of all rows, of those from a start on one batch after the other."""
    n_full, n_left = divmod(n_rows, batch_size)
    if not n_full:
        return sums(0, n_left)
    # The first batch tells what the others are added to.
    total, _ = jax.lax.scan(
        lambda total, start: (merged(total, sums(start, batch_size)), None),
        sums(0, batch_size),
        batch_size * jnp.arange(1, n_full),
    )
    return merged(total, sums(n_full * batch_size, n_left)) if n_left else total


def _called(name: str) -> str:
    return "loss" if name == "loss" else f"metrics[{name!r}]"


def _as_metric(name: str, function: Callable[..., PyTree]) -> Metric:
    """A metric; of another function the mean over batches, by what their rows count."""
    if isinstance(function, Metric):
        return function
    name = _called(name)

    def gather(predictions: PyTree, targets: PyTree, weights: PyTree) -> PyTree:
        n_rows = leading_length("targets", targets)
        count = total_of(Dataset(predictions, targets, weights), n_rows)
        value = weighed(name, function, weights)(predictions, targets)
        return count * jnp.ones(()), jax.tree.map(lambda leaf: count * leaf, value)

    def value(sums: PyTree) -> PyTree:
        count, total = sums
        return jax.tree.map(lambda leaf: (leaf / count).astype(leaf.dtype), total)

    return Metric(gather, value)
