"""Whether a derivative rule is linear in the adjoint, as the chain rule has it.

All rules of JAX are. `jax.custom_vjp` takes any function for one.
"""

from collections.abc import Callable
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from funclearn import _jaxprs
from funclearn._jaxprs import JaxprEqn
from funclearn.graphs._graph import Space, Value

__all__ = ["has_own_rule", "is_linear"]

Share: TypeAlias = Callable[[Value], Value]
"""From an adjoint of a node to its share in that of a node that it is computed from."""


def has_own_rule(equation: JaxprEqn) -> bool:
    """Whether an equation is differentiated, at any depth, by a user's own rule."""
    # The rule of a `custom_jvp` cannot but be linear: JAX transposes it.
    if equation.primitive is _jaxprs.primitives.custom_vjp_call_p:
        return True
    return any(
        has_own_rule(inner)
        for jaxpr in _jaxprs.inner_jaxprs(equation)
        for inner in jaxpr.eqns
    )


def is_linear(share: Share, space: Space, adjoint: Value) -> bool:
    """Tries whether share(a·u + v) = a·share(u) + share(v).

    Args:
        share: the rule.
        space: shapes and dtypes of the adjoints u and v.
        adjoint: one of them; None for another random one.
    """
    keys = map(jax.random.key, range(2))
    one, other = (_random(key, space) for key in keys)
    one = one if adjoint is None else adjoint
    whole = share(jax.tree.map(jnp.add, one, other))
    if not _close(whole, jax.tree.map(jnp.add, share(one), share(other))):
        return False
    return all(
        _close(share(_times(factor, each)), _times(factor, share(each)))
        for each in (one, other)
        for factor in (-1.0, 1 / _reach(space), _reach(space))
    )


def _reach(space: Space) -> float:
    """How far to scale: by half of the dtype's digits, so that no product overflows."""
    epsilons = (float(jnp.finfo(leaf.dtype).eps) for leaf in jax.tree.leaves(space))
    return max(epsilons, default=1.0) ** -0.5


def _random(key: Array, space: Space) -> Value:
    leaves, structure = jax.tree.flatten(space)
    keys = jax.random.split(key, max(len(leaves), 1))
    return structure.unflatten(
        jax.random.normal(one, leaf.shape, leaf.dtype)
        for one, leaf in zip(keys, leaves, strict=False)
    )


def _times(factor: float, value: Value) -> Value:
    return jax.tree.map(lambda leaf: leaf * jnp.asarray(factor, leaf.dtype), value)


def _close(got: Value, expected: Value) -> bool:
    return all(
        _all_close(np.asarray(one, complex), np.asarray(other, complex), other.dtype)
        for one, other in zip(*map(jax.tree.leaves, (got, expected)), strict=True)
    )


def _all_close(got: np.ndarray, expected: np.ndarray, dtype: np.dtype) -> bool:
    # Solvers of differential equations have rules that are linear but for their own
    # tolerance; what clips, rounds to signs or scales by a norm is off by a multiple.
    granted = float(jnp.finfo(dtype).eps) ** 0.25
    sizes = np.abs(expected)
    scale = float(np.max(sizes, where=np.isfinite(sizes), initial=0.0))
    return np.allclose(got, expected, rtol=0.0, atol=granted * scale, equal_nan=True)
