"""The loss and the gradient of a step, and what the model notes meanwhile."""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from jaxtyping import PRNGKeyArray, PyTree

from funclearn import gradients
from funclearn._checks import integer_at_least
from funclearn._notes import Noted, bound, trainable, with_trainable
from funclearn._types import (
    Batch,
    GradientMethod,
    Objective,
    Params,
    Scalar,
    ValueAndGrad,
)
from funclearn.training._blocks import loss_over, means_over
from funclearn.training._loss_scale import steeper, unscaled
from funclearn.training._refusals import check_function, check_gradient, check_loss
from funclearn.training._update import trained

__all__ = ["Slope", "make_slope"]


class Slope(NamedTuple):
    """What a step finds out before its update.

    Attributes:
        loss: the objective.
        grads: its gradient with respect to the part of the parameters that is trained.
        params: the parameters with what the model noted; else as they were.
        loss_at: the objective as a function of that part, the batch and the key.
        value_and_grad: it and its gradient, likewise.
    """

    loss: Scalar
    grads: Params
    params: Params
    loss_at: Callable[..., Scalar]
    value_and_grad: ValueAndGrad


_MakeSlope: TypeAlias = Callable[..., Slope]


def make_slope(
    objective: Objective, gradient: GradientMethod, blocks: int | None = None
) -> _MakeSlope:
    """Makes `(params, batch, key, scale=None) -> slope`.

    Where there is a scale, derivatives by the chain rule are multiplied by it from the
    loss on; the gradient that is returned is divided by it again.

    Args:
        objective: what to minimise.
        gradient: how the gradient is had.
        blocks: of how many blocks of rows it is made; None makes it at once.

    Raises:
        TypeError: if `gradient` makes no function of parameters, batch and key, or
            `blocks` is no integer.
        ValueError: if `blocks` is less than 1.
    """
    if blocks is not None:
        blocks = integer_at_least("blocks", blocks, 1)

    def loss_at(params: Params, batch: Batch, key: PyTree) -> Scalar:
        return check_loss(objective(params, batch, key))

    made = "such as funclearn.gradients.autodiff, finite_difference() or given(...)"
    plain = gradient(loss_at)
    check_function("gradient(...)", plain, ("params", "batch", "key"), made)
    noting = getattr(objective, "with_notes", None)
    noted_at = None if noting is None else _with_checked_loss(noting)

    def slope(
        params: Params, batch: Batch, key: PRNGKeyArray, scale: Scalar | None = None
    ) -> Slope:
        at = trained(trainable(params))
        here = with_trainable(params, at)
        loss_here = bound(loss_at, here)
        by_scale = scale if gradients.by_chain_rule(gradient) else None
        if by_scale is not None:
            method = _through(gradient, loss_here, by_scale)
        else:
            method = plain if loss_here is loss_at else gradient(loss_here)
        if noted_at is None or not isinstance(params, Noted):
            loss, grads = check_gradient(method(at, batch, key), at)
            return Slope(loss, grads, params, loss_here, method)
        of = noted_at if by_scale is None else steeper(noted_at, by_scale)
        *result, notes = gradients.with_notes(gradient, of)(here, batch, key)
        loss, grads = check_gradient(tuple(result), at)
        if by_scale is not None:
            grads = unscaled(grads, by_scale)
        return Slope(loss, grads, params._replace(notes=notes), loss_here, method)

    return slope if blocks is None else _over_blocks(blocks, slope, loss_at)


def _over_blocks(blocks: int, slope_at: _MakeSlope, loss_at: Objective) -> _MakeSlope:
    """The same over blocks, each of which notes by itself."""

    def of_block(given: PyTree, rows: Batch, key: PyTree) -> PyTree:
        params, scale = given
        found = slope_at(params, rows, key, scale)
        noted = isinstance(params, Noted)
        return found.loss, found.grads, found.params.notes if noted else None

    def loss_of_block(given: PyTree, rows: Batch, key: PyTree) -> Scalar:
        free, params = given
        return loss_at(with_trainable(params, free), rows, key)

    def slope(
        params: Params, batch: Batch, key: PRNGKeyArray, scale: Scalar | None = None
    ) -> Slope:
        def found_at(free: Params, batch: Batch, key: PyTree) -> PyTree:
            given = with_trainable(params, free), scale
            return means_over(blocks, of_block, given, batch, key)

        def loss_here(free: Params, batch: Batch, key: PyTree) -> Scalar:
            return loss_over(blocks, loss_of_block, (free, params), batch, key)

        def value_and_grad(
            free: Params, batch: Batch, key: PyTree
        ) -> tuple[Scalar, Params]:
            return found_at(free, batch, key)[:2]

        loss, grads, notes = found_at(trainable(params), batch, key)
        if isinstance(params, Noted):
            params = params._replace(notes=notes)
        return Slope(loss, grads, params, loss_here, value_and_grad)

    return slope


def _with_checked_loss(noting: Callable[..., tuple]) -> Callable[..., tuple]:
    def noted_at(params: Params, batch: Batch, key: PyTree) -> tuple[Scalar, PyTree]:
        loss, notes = noting(params, batch, key)
        return check_loss(loss), notes

    return noted_at


def _through(
    gradient: GradientMethod, objective: Objective, scale: Scalar
) -> ValueAndGrad:
    """Loss and gradient by way of the steeper loss."""
    value_and_grad = gradient(steeper(objective, scale))

    def through(params: Params, batch: Batch, key: PyTree) -> tuple[Scalar, Params]:
        loss, grads = value_and_grad(params, batch, key)
        return loss, unscaled(grads, scale)

    return through
