"""Refusals of bad arguments: each names the argument, what it got and what it needs.

They look at static facts only (types, shapes, dtypes), so under `jax.jit` they run
while tracing and cost nothing afterwards.
"""

import itertools
import math
import operator
from numbers import Real
from typing import Any, TypeGuard

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from funclearn._jaxprs import is_key
from funclearn._words import described

__all__ = [
    "check_at_least_one",
    "check_batch_size",
    "check_direction",
    "check_floating",
    "check_fraction",
    "check_key",
    "check_not_negative",
    "check_positive",
    "check_same_structure",
    "integer_at_least",
    "is_static_number",
    "leading_length",
    "path_name",
    "positive_number",
]

_LEAVES = 8


def path_name(name: str, path: tuple[object, ...]) -> str:
    """Writes the leaf at `path` of the argument `name` as Python would reach it."""
    return name + jax.tree_util.keystr(path)


def is_static_number(value: object) -> TypeGuard[float]:
    """Whether `value` is a real number that is known while tracing."""
    return isinstance(value, Real) and not isinstance(value, bool)


def integer_at_least(name: str, value: Any, minimum: int) -> int:
    """Returns `value` as a Python integer.

    Raises:
        TypeError: if `value` is no integer that is known while tracing.
        ValueError: if it is less than `minimum`.
    """
    try:
        if isinstance(value, bool):
            raise TypeError
        number = operator.index(value)
    except Exception:  # a tracer raises a JAX error of its own here
        raise TypeError(
            f"{name} must be an integer known at trace time; got {value!r} of type "
            f"{type(value).__name__}."
        ) from None
    if number < minimum:
        raise ValueError(f"{name} must be at least {minimum}; got {number}.")
    return number


def check_key(name: str, key: object) -> None:
    """Refuses everything but one typed PRNG key.

    Raises:
        TypeError: if `key` is no typed key.
        ValueError: if it is an array of keys.
    """
    if not (isinstance(key, jax.Array) and is_key(key.dtype)):
        got = f"{key.dtype}{key.shape}" if isinstance(key, jax.Array) else repr(key)
        raise TypeError(f"{name} must be a typed key, as jax.random.key(0); got {got}.")
    if key.shape:
        raise ValueError(f"{name} must be a single key; got keys of shape {key.shape}.")


def check_floating(name: str, tree: PyTree) -> None:
    """Refuses pytrees that cannot be differentiated.

    Raises:
        TypeError: if a leaf is not a real floating-point array or number.
        ValueError: if there is no leaf at all.
    """
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    if not leaves:
        raise ValueError(f"{name} must have at least one leaf; got {tree!r}.")
    for path, leaf in leaves:
        try:
            dtype = getattr(leaf, "dtype", None) or jnp.result_type(type(leaf))
            floating, got = jnp.issubdtype(dtype, jnp.floating), dtype
        except TypeError:  # text, functions, the tensors of other libraries
            floating, got = False, described(leaf)
        if not floating:
            raise TypeError(
                f"{path_name(name, path)} must be floating-point, since gradients "
                f"exist for floating-point values only; got {got}."
            )


def leading_length(name: str, tree: PyTree) -> int:
    """The number of rows that every leaf of a batch shares.

    Raises:
        ValueError: if there are no leaves, no rows, or leaves of unequal length.
    """
    shapes = {
        path_name(name, path): jnp.shape(leaf)
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }
    lengths = {shape[:1] for shape in shapes.values()}
    if len(lengths) != 1 or lengths == {()}:
        # Of a list of numbers, every one of which is a leaf, some are enough.
        some = itertools.islice(shapes.items(), _LEAVES)
        got = ", ".join(f"{leaf} {shape}" for leaf, shape in some) or "none"
        got += f", and {len(shapes) - _LEAVES} more" * (len(shapes) > _LEAVES)
        raise ValueError(
            f"{name} must hold arrays with one leading length in common; got {got}."
        )
    ((length,),) = lengths
    if length == 0:
        raise ValueError(f"{name} must have at least one row; got none.")
    return length


def check_same_structure(
    name: str, got: PyTree, needed: PyTree, meaning: str, *, dtypes: bool = True
) -> None:
    """Refuses a pytree whose structure, shapes or dtypes differ from those needed.

    Args:
        name: the argument to name in the message.
        got: the pytree under test.
        needed: the pytree, or its `jax.eval_shape`, to agree with.
        meaning: what `needed` is, for the message.
        dtypes: whether the dtypes must agree as well.

    Raises:
        ValueError: at the first difference.
    """
    structure, expected = jax.tree.structure(got), jax.tree.structure(needed)
    if structure != expected:
        raise ValueError(
            f"{name} must have the structure of {meaning}, {expected}; got {structure}."
        )
    leaves = jax.tree_util.tree_leaves_with_path(got)
    for (path, leaf), wanted in zip(leaves, jax.tree.leaves(needed), strict=True):
        shape, dtype = jnp.shape(wanted), jnp.result_type(wanted)
        if jnp.shape(leaf) != shape or (dtypes and jnp.result_type(leaf) != dtype):
            raise ValueError(
                f"{path_name(name, path)} must be {dtype}{shape} as in {meaning}; got "
                f"{jnp.result_type(leaf)}{jnp.shape(leaf)}."
            )


def positive_number(name: str, value: Any, advice: str = "") -> float:
    """Returns `value` as a positive, finite Python number.

    Raises:
        TypeError: if `value` is no single number.
        ValueError: if it is not positive or not finite.
    """
    try:
        if isinstance(value, str | bool):
            raise TypeError
        number = float(value)
    except Exception:  # arrays and tracers raise errors of their own
        raise TypeError(f"{name} must be a number; got {value!r}.{advice}") from None
    if not 0 < number < math.inf:
        raise ValueError(f"{name} must be positive and finite; got {number}.{advice}")
    return number


def check_positive(name: str, value: object) -> None:
    """Refuses a number that is known while tracing and not positive.

    Raises:
        ValueError: if it is zero, negative or NaN.
    """
    if is_static_number(value) and not value > 0:
        raise ValueError(f"{name} must be positive; got {value}.")


def check_not_negative(name: str, value: object) -> None:
    """Refuses a number that is known while tracing and negative.

    Raises:
        ValueError: if it is less than 0 or NaN.
    """
    if is_static_number(value) and not value >= 0:
        raise ValueError(f"{name} must not be negative; got {value}.")


def check_at_least_one(name: str, value: object) -> None:
    """Refuses a number that is known while tracing and less than 1.

    Raises:
        ValueError: if it is less than 1 or NaN.
    """
    if is_static_number(value) and not value >= 1:
        raise ValueError(f"{name} must be at least 1; got {value}.")


def check_fraction(name: str, value: object) -> None:
    """Refuses a number that is known while tracing and not between 0 and 1.

    Raises:
        ValueError: if it is less than 0, more than 1 or NaN.
    """
    if is_static_number(value) and not 0 <= value <= 1:
        raise ValueError(f"{name} must be between 0 and 1; got {value}.")


def check_batch_size(batch_size: object, n_rows: int) -> int:
    """Returns `batch_size` as an integer between 1 and the number of rows.

    Raises:
        TypeError: if it is no integer that is known while tracing.
        ValueError: if it is less than 1 or more than `n_rows`.
    """
    batch_size = integer_at_least("batch_size", batch_size, 1)
    if batch_size > n_rows:
        raise ValueError(
            f"batch_size must be at most the number of rows, {n_rows}; got "
            f"{batch_size}."
        )
    return batch_size


def check_direction(name: str, direction: object) -> None:
    """Refuses everything but `"min"` and `"max"`.

    Raises:
        ValueError: if it is anything else.
    """
    if not isinstance(direction, str) or direction not in ("min", "max"):
        raise ValueError(f"{name} must be 'min' or 'max'; got {direction!r}.")
