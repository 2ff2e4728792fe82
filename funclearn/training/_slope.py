"""The loss and the gradient of a step, and what the model notes meanwhile."""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import jax
from jaxtyping import PRNGKeyArray, PyTree

from funclearn import gradients
from funclearn._checks import check_same_structure
from funclearn._notes import Noted, bound, trainable, with_trainable
from funclearn._types import (
    Batch,
    GradientMethod,
    Objective,
    Params,
    Scalar,
    ValueAndGrad,
)
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


_MakeSlope: TypeAlias = Callable[[Params, Batch, PRNGKeyArray], Slope]


def make_slope(objective: Objective, gradient: GradientMethod) -> _MakeSlope:
    """Makes `(params, batch, key) -> slope`.

    Notes come from the same evaluation as the gradient by autodiff, and from one of
    their own where the gradient is had otherwise.

    Raises:
        TypeError: if `gradient` makes no function of parameters, batch and key.
    """

    def loss_at(params: Params, batch: Batch, key: PyTree) -> Scalar:
        return check_loss(objective(params, batch, key))

    made = "such as funclearn.gradients.autodiff, finite_difference() or given(...)"
    plain = gradient(loss_at)
    check_function("gradient(...)", plain, ("params", "batch", "key"), made)
    with_notes = getattr(objective, "with_notes", None)

    def slope(params: Params, batch: Batch, key: PRNGKeyArray) -> Slope:
        at = trained(trainable(params))
        here = with_trainable(params, at)
        loss_here = bound(loss_at, here)
        method = plain if loss_here is loss_at else gradient(loss_here)
        if with_notes is None or not isinstance(params, Noted):
            loss, grads = check_gradient(method(at, batch, key), at)
            return Slope(loss, grads, params, loss_here, method)
        if gradient is gradients.autodiff:
            both = jax.value_and_grad(bound(with_notes, here), has_aux=True)
            (loss, notes), grads = both(at, batch, key)
            loss = check_loss(loss)
        else:
            loss, grads = check_gradient(method(at, batch, key), at)
            _, notes = with_notes(here, batch, key)
        needed = "the notes that it was given"
        check_same_structure("model.train(...)[1]", notes, params.notes, needed)
        noted = params._replace(notes=notes)
        return Slope(loss, grads, noted, loss_here, method)

    return slope
