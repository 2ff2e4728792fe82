"""Loss and gradient of a batch from a fixed number of blocks, whatever the devices.

    L = Σ w_b L_b / Σ w_b,    w_b = what the rows of block b count together

Every block is evaluated by itself, and the sums are taken in one order, of pairs of
halves. So nothing of a result depends on how many blocks a device has.
"""

import itertools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AbstractMesh
from jaxtyping import Array, Float, PyTree

from funclearn._checks import leading_length
from funclearn._jaxprs import hoisted, without_repetition
from funclearn._types import Batch, Params, Scalar
from funclearn._weights import ratio, total_of
from funclearn.training._dealing import dealt, of_every_block
from funclearn.training._units import as_unit

__all__ = ["loss_over", "means_over"]


def means_over(
    blocks: int,
    function: Callable[[PyTree, Batch, PyTree], PyTree],
    given: PyTree,
    batch: Batch,
    key: PyTree,
) -> PyTree:
    """Means over blocks, which count by their weights.

    Args:
        blocks: how many.
        function: `(given, rows, key) -> arrays`.
        given: what it is given besides, the same for all blocks.
        batch: the rows of all blocks.
        key: of which every block has one of its own; None has none.

    Returns:
        The means of floating arrays, and of others those of the first block.
    """
    rows = dealt(blocks, batch)

    def one(number: Array, rows: Batch, given: PyTree, key: PyTree) -> PyTree:
        own = None if key is None else jax.random.fold_in(key, number)
        return function(given, rows, own)

    number = jax.ShapeDtypeStruct((), jnp.int32)
    call, captured, results = _traced(one, number, _one_of(rows), given, key)

    # XLA takes apart a loop of one trip, and mixes what it finds with its surroundings.
    @as_unit
    @without_repetition
    def share(more: PyTree, number: Array, rows: Batch) -> tuple[Array, list[Array]]:
        captured, *given = more
        leaves = jax.tree.leaves(call(captured, number, rows, *given))
        floating = [leaf for leaf in leaves if _is_floating(leaf)]
        others = [leaf for leaf in leaves if not _is_floating(leaf)]
        return _weighted(rows, floating), others

    more = captured, given, key
    shares, others = of_every_block(blocks, share, more, rows)
    leaves, structure = jax.tree.flatten(results)
    means = iter(_split(as_unit(_mean)(shares), list(filter(_is_floating, leaves))))
    first = (leaf[0] for leaf in others)
    return structure.unflatten(
        next(means if _is_floating(leaf) else first) for leaf in leaves
    )


def loss_over(
    blocks: int,
    objective: Callable[[PyTree, Batch, PyTree], Scalar],
    given: tuple[Params, PyTree],
    batch: Batch,
    key: PyTree,
) -> Scalar:
    """An objective over blocks, whose derivative by the parameters is taken over them.

    One that went backwards through the devices would be summed as these are. So it is
    taken block by block, as that of a step.

    Args:
        blocks: how many.
        objective: `(given, rows, key) -> loss`.
        given: the parameters that are trained, and what it needs besides.
        batch: the rows of all blocks.
        key: as for `means_over`.
    """
    rows = _one_of(dealt(blocks, batch))
    call, captured, _ = _traced(objective, given, rows, key)

    def at(given: PyTree, rows: Batch, key: PyTree) -> Scalar:
        free, (rest, captured) = given
        return call(captured, (free, rest), rows, key)

    def slope(given: PyTree, rows: Batch, key: PyTree) -> tuple[Scalar, Params]:
        free, rest = given
        return jax.value_and_grad(lambda free: at((free, rest), rows, key))(free)

    def plain(free: Params, rest: PyTree, batch: Batch, key: PyTree) -> Scalar:
        return means_over(blocks, at, (free, rest), batch, key)

    def derivative(primals: tuple, tangents: tuple) -> tuple[Scalar, Scalar]:
        (free, *others), (along, *rest) = primals, tangents
        loss, grads = means_over(blocks, slope, (free, others[0]), *others[1:])
        tangent = jnp.zeros_like(loss)
        for grad, step in zip(*map(_leaves, (grads, along)), strict=True):
            if not _is_zero(step):
                tangent += jnp.sum(grad * step).astype(loss.dtype)
        if not all(map(_is_zero, _leaves(rest))):
            rest = jax.tree.map(_instantiated, rest, is_leaf=_is_zero)
            by_rest = jax.jvp(lambda *x: plain(free, *x), tuple(others), tuple(rest))
            tangent += by_rest[1]
        return loss, tangent

    value = jax.custom_jvp(plain)
    value.defjvp(derivative, symbolic_zeros=True)
    free, rest = given
    return value(free, (rest, captured), batch, key)


def _leaves(tree: PyTree) -> list[PyTree]:
    return jax.tree.leaves(tree, is_leaf=_is_zero)


def _is_zero(tangent: PyTree) -> bool:
    return isinstance(tangent, jax.custom_derivatives.SymbolicZero)


def _instantiated(tangent: PyTree) -> PyTree:
    if not _is_zero(tangent):
        return tangent
    # What integers have for a tangent is a type of NumPy's.
    numpy = np if tangent.dtype == jax.dtypes.float0 else jnp
    return numpy.zeros(tangent.shape, tangent.dtype)


def _is_floating(leaf: PyTree) -> bool:
    return jnp.issubdtype(leaf.dtype, jnp.floating)


def _traced(
    function: Callable[..., PyTree], *arguments: PyTree
) -> tuple[Callable[..., PyTree], list[Array], PyTree]:
    """A function without a closure and without devices, to be called on any of them.

    Returns:
        `(captured, *arguments) -> result`, what the function closed over, and the types
        of the result.
    """

    def of_no_device(leaf: PyTree) -> jax.ShapeDtypeStruct:
        kind = jax.typeof(leaf)
        return jax.ShapeDtypeStruct(kind.shape, kind.dtype, weak_type=kind.weak_type)

    with jax.sharding.use_abstract_mesh(AbstractMesh((), ())):
        return hoisted(function, *jax.tree.map(of_no_device, arguments))[:3]


def _one_of(rows: Batch) -> Batch:
    """The types of the rows of one block."""
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), rows
    )


def _weighted(rows: Batch, values: list[Array]) -> Float[Array, " entries"]:
    """What rows count, and values times it, in no less than float32 to be added up."""
    dtype = jnp.result_type(jnp.float32, *values)
    weight = jnp.asarray(total_of(rows, leading_length("batch", rows)), dtype)
    vector = jnp.concatenate([value.astype(dtype).ravel() for value in values])
    # Of rows that do not count a mean may not be defined; it is not needed.
    shares = jnp.where(weight == 0, 0, weight * vector)
    return jnp.concatenate([weight[None], shares])


def _mean(shares: Float[Array, "blocks entries"]) -> Float[Array, " values"]:
    """Their sum, halves on halves, divided by that of the weights, in column 0."""
    while len(shares) > 1:
        half = len(shares) // 2
        sums = shares[:half] + shares[half : 2 * half]
        shares = jnp.concatenate([sums, shares[2 * half :]])
    return ratio(shares[0, 1:], shares[0, 0])


def _split(vector: Float[Array, " values"], types: list[PyTree]) -> list[Array]:
    """A vector as arrays of these types."""
    ends = list(itertools.accumulate(kind.size for kind in types))
    parts = jnp.split(vector, ends[:-1])
    return [
        part.reshape(kind.shape).astype(kind.dtype)
        for part, kind in zip(parts, types, strict=True)
    ]
