"""What every run needs of JAX's inside, without what takes long to import."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax.core import ShapedArray, Tracer, eval_jaxpr
from jax.experimental.xla_metadata import set_xla_metadata
from jaxtyping import PyTree

__all__ = [
    "ShapedArray",
    "Tracer",
    "eval_jaxpr",
    "hoisted",
    "is_key",
    "marked",
    "split_constants",
]


def is_key(dtype: Any) -> bool:
    """Whether a dtype is that of typed keys."""
    return jnp.issubdtype(dtype, jax.dtypes.prng_key)


def split_constants(jaxpr: Any) -> tuple[Any, list[Any]]:
    """Turns the constants of a jaxpr into its first arguments.

    Returns:
        The jaxpr, for `eval_jaxpr`, and the values of its constants.
    """
    inside = jaxpr.jaxpr
    arguments = [*inside.constvars, *inside.invars]
    return inside.replace(constvars=[], invars=arguments), list(jaxpr.consts)


def hoisted(
    function: Callable[..., PyTree], *arguments: PyTree
) -> tuple[Callable[..., PyTree], list[Any], PyTree, Any]:
    """Takes apart a function and what it closed over.

    What is mapped or differentiated must be an argument, not in a closure.

    Args:
        function: traced once.
        *arguments: what to trace it with, or their types.

    Returns:
        `(captured, *arguments) -> result`, what the function closed over, the types of
        the result, and the jaxpr that it was traced to.
    """
    closed, shapes = jax.make_jaxpr(function, return_shape=True)(*arguments)
    structure = jax.tree.structure(shapes)
    jaxpr, captured = split_constants(closed)

    def call(captured: list[Any], *arguments: PyTree) -> PyTree:
        results = eval_jaxpr(jaxpr, (), *captured, *jax.tree.leaves(arguments))
        return jax.tree.unflatten(structure, results)

    types = jax.tree.unflatten(structure, closed.out_avals)
    return call, captured, types, closed.jaxpr


def marked(
    function: Callable[..., PyTree], marks: Mapping[str, str]
) -> Callable[..., PyTree]:
    """Jits a function so that XLA finds marks, attributes, on its calls."""

    def unmarked(*args: PyTree) -> PyTree:
        # Nothing within carries them: JAX may keep what it traces for other programs.
        with set_xla_metadata(**dict.fromkeys(marks)):
            return function(*args)

    def call(*args: PyTree) -> PyTree:
        with set_xla_metadata(**marks):
            return jax.jit(unmarked)(*args)

    return call
