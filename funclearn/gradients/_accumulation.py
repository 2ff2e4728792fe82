"""The gradient of a batch from parts of it, and what a model notes meanwhile."""

import dataclasses
from collections.abc import Callable
from typing import TypeAlias

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, PyTree

from funclearn._checks import (
    check_floating,
    check_same_structure,
    integer_at_least,
    leading_length,
)
from funclearn._jaxprs import vary_as
from funclearn._notes import Noted, bound
from funclearn._types import (
    Batch,
    GradientMethod,
    Objective,
    Params,
    Scalar,
    ValueAndGrad,
)
from funclearn._weights import ratio, total_of
from funclearn._words import described
from funclearn.gradients._methods import autodiff

__all__ = ["accumulated", "by_chain_rule", "with_notes"]

_Part: TypeAlias = Callable[[PyTree, Batch, PyTree], tuple[Scalar, Params, PyTree]]
"""`(notes, batch, key) -> (loss, gradient, notes)`."""


def accumulated(batch_size: int, method: GradientMethod = autodiff) -> GradientMethod:
    """The gradient of a batch as the mean of those of parts of it, one by one.

    It is that of the whole batch, to rounding, for less memory: what backpropagation
    keeps is that of one part. The objective must be a mean over rows, as those of
    `make_objective` are; a penalty is no matter. The last part may be shorter: parts
    count by their rows, and of a `Dataset` with weights by the sums of these.

    The n-th part, from 0, is given `jax.random.fold_in(key, n)`; a batch that is no
    more than one part goes to `method` with the key itself. What a model notes goes
    from part to part, each of which batch normalisation normalises by itself.

    Args:
        batch_size: rows of a part.
        method: the gradient of a part.

    Returns:
        A gradient method, `objective -> value_and_grad`.

    Raises:
        TypeError: if `batch_size` is no integer that is known while tracing, or
            `method` no function.
        ValueError: if it is less than 1; when called, if the batch is not one of rows.

    Example:
        >>> objective = fl.make_objective(fl.models.linear, fl.losses.mse)
        >>> batch = fl.data.thermometer()  # eleven rows: 4, 4 and 3
        >>> params = fl.models.LinearParams(jnp.float32(1), jnp.float32(0))
        >>> for method in fl.gradients.autodiff, fl.gradients.accumulated(4):
        ...     loss, grads = method(objective)(params, batch, None)
        ...     print(f"{loss:.2f} {grads.weight:.1f} {grads.bias:.2f}")
        1763.88 4517.3 82.60
        1763.88 4517.3 82.60
    """
    batch_size = integer_at_least("batch_size", batch_size, 1)
    if not callable(method):
        raise TypeError(
            "method must be a gradient method, such as funclearn.gradients.autodiff; "
            f"got {described(method)}."
        )
    return _Accumulated(batch_size, method)


@dataclasses.dataclass(frozen=True)
class _Accumulated:
    """A gradient method that goes over parts of a batch.

    Attributes:
        batch_size: rows of a part.
        method: the gradient of a part.
    """

    batch_size: int
    method: GradientMethod

    def __call__(self, objective: Objective) -> ValueAndGrad:
        """Loss and gradient of the whole batch."""
        of_part = self.method(objective)

        def value_and_grad(
            params: Params, batch: Batch, key: PyTree
        ) -> tuple[Scalar, Params]:
            check_floating("params", params)

            def part(_: PyTree, rows: Batch, key: PyTree) -> tuple:
                return *of_part(params, rows, key), None

            return self.over(part, None, batch, key)[:2]

        return value_and_grad

    def over(
        self, part: _Part, notes: PyTree, batch: Batch, key: PyTree
    ) -> tuple[Scalar, Params, PyTree]:
        """All parts in turn."""
        n_rows, size = leading_length("batch", batch), self.batch_size
        n_full, n_left = divmod(n_rows, size)
        if n_full + (n_left > 0) == 1:
            return part(notes, batch, key)

        def take(start: Int[Array, ""] | int, length: int) -> Batch:
            return jax.tree.map(
                lambda leaf: jax.lax.dynamic_slice_in_dim(leaf, start, length), batch
            )

        def add(sums: PyTree, rows: Batch, number: Int[Array, ""] | int) -> PyTree:
            sum_of, notes = sums
            own = None if key is None else jax.random.fold_in(key, number)
            *result, notes = part(notes, rows, own)
            share = _weighted(rows, result)
            return jax.tree.map(jnp.add, sum_of, share), notes

        def one(sums: PyTree, number: Int[Array, ""]) -> tuple[PyTree, None]:
            return add(sums, take(number * size, size), number), None

        def first() -> PyTree:
            *result, after = part(notes, rows := take(0, size), key)
            return result, _weighted(rows, result), after

        result, shares, after = jax.eval_shape(first)
        # Of the types that a scan needs to be given, by devices too.
        zeros = jax.tree.map(lambda x: vary_as(jnp.zeros(x.shape, x.dtype), x), shares)
        sums = zeros, jax.tree.map(vary_as, notes, after)
        sums, _ = jax.lax.scan(one, sums, jnp.arange(n_full))
        if n_left:
            sums = add(sums, take(n_full * size, n_left), n_full)
        (total, *sum_of), notes = sums
        loss, grads = jax.tree.map(
            lambda leaf, like: ratio(leaf, total).astype(like.dtype), sum_of, result
        )
        return loss, grads, notes


def with_notes(
    method: GradientMethod, objective: Callable[..., tuple[Scalar, PyTree]]
) -> Callable[[Noted, Batch, PyTree], tuple[Scalar, Params, PyTree]]:
    """The way to loss, gradient and notes at once.

    By autodiff notes come from the same evaluation as the gradient; where that is had
    otherwise, from one of their own.

    Args:
        method: how the gradient is had.
        objective: `(params, batch, key) -> (loss, notes)`.

    Returns:
        `(params, batch, key) -> (loss, gradient, notes)`; it raises ValueError if the
        notes are not of the structure of those that it was given.
    """

    def at(params: Noted, batch: Batch, key: PyTree) -> tuple[Scalar, Params, PyTree]:
        free, here = params.params, bound(objective, params)
        if method is autodiff:
            (loss, notes), grads = jax.value_and_grad(here, has_aux=True)(
                free, batch, key
            )
        else:
            loss, grads = method(lambda *of: here(*of)[0])(free, batch, key)
            _, notes = here(free, batch, key)
        needed = "the notes that it was given"
        check_same_structure("model.train(...)[1]", notes, params.notes, needed)
        return loss, grads, notes

    if not isinstance(method, _Accumulated):
        return at
    of_part = with_notes(method.method, objective)

    def of_parts(
        params: Noted, batch: Batch, key: PyTree
    ) -> tuple[Scalar, Params, PyTree]:
        def part(notes: PyTree, rows: Batch, key: PyTree) -> tuple:
            return of_part(params._replace(notes=notes), rows, key)

        return method.over(part, params.notes, batch, key)

    return of_parts


def by_chain_rule(method: GradientMethod) -> bool:
    """Whether a method differentiates the objective itself, backwards."""
    if isinstance(method, _Accumulated):
        return by_chain_rule(method.method)
    return method is autodiff


def _weighted(rows: Batch, result: list[PyTree]) -> list[PyTree]:
    """What rows count, and results times it, in no less than float32 to be added up."""
    weight = jnp.asarray(total_of(rows, leading_length("batch", rows)), float)

    def share(leaf: Array) -> Array:
        wide = leaf.astype(jnp.promote_types(leaf.dtype, jnp.float32))
        # Of a part without any weight the mean is not defined, and not needed.
        return jnp.where(weight != 0, weight.astype(wide.dtype) * wide, 0)

    return [weight, *jax.tree.map(share, result)]
