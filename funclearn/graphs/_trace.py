"""From a function and its arguments to its computational graph."""

import inspect
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, PyTree

from funclearn._checks import path_name
from funclearn._jaxprs import Tracer, valid_jaxtype
from funclearn.graphs._assembly import build
from funclearn.graphs._graph import Graph

__all__ = ["trace"]


def trace(
    function: Callable[..., PyTree], *args: PyTree, cotangent: ArrayLike | None = None
) -> Graph:
    """Evaluates and differentiates a function into its computational graph.

    Functions that are called inside, `jax.jit` and flax modules for instance, are
    opened. Functions with a derivative rule of their own (`jax.custom_jvp`,
    `jax.custom_vjp`), loops and branches stay one node, whose derivative follows that
    rule, and whose `inner` graph shows what happens inside: in the branch that was
    taken, or in the last step of the loop, with the adjoints that belong to it. A rule
    of its own replaces the derivatives inside, so there are no adjoints there.

    Numbers that the function does not get as arguments are part of the formulas; only
    arrays of them are nodes. What does not reach the output is left out.

    Args:
        function: a function of pytrees of arrays. Within it
            `jax.ad_checkpoint.checkpoint_name(value, "name")` names a node.
        *args: what to call it with: numbers, arrays, or pytrees of them, with values.
        cotangent: for a function that returns an array, the gradient with respect to
            that array, of its shape; a scalar has 1.

    Returns:
        The graph. Its first nodes are the leaves of the arguments, in their order, by
        the argument's name and the path to the leaf, as `params.weight`.

    Raises:
        TypeError: if a leaf is no array, or has no value because it is being traced
            by JAX, or if the output is not real floating-point.
        ValueError: if the function returns anything but one array, or an array that
            is not scalar without a cotangent of its shape; or if a derivative rule
            within it closes over a value that depends on the arguments.

    Example:
        >>> graph = fl.graphs.trace(lambda x, y: x * jnp.sin(y), 2.0, 0.0)
        >>> print(fl.graphs.to_text(graph))
        node         value  adjoint  local derivatives
        x            2      0
        y            0      2
        v1 = sin(y)  0      2        y: 1
        v2 = x·v1    0      1        x: 0, v1: 2
    """
    leaves = _leaves(function, args)
    for name, leaf in leaves.items():
        _check_leaf(name, leaf)
    jaxpr, output = jax.make_jaxpr(function, return_shape=True)(*args)
    _check_output(output)
    seed = _seed(output, cotangent)
    return build(jaxpr, [*leaves], [*map(jnp.asarray, leaves.values())], [seed])


def _leaves(
    function: Callable[..., PyTree], args: tuple[PyTree, ...]
) -> dict[str, object]:
    try:
        arguments = inspect.signature(function).bind(*args).arguments
    except (TypeError, ValueError):  # no signature, or other arguments: the call raises
        arguments = {"args": args}
    return {
        path_name(name, path): leaf
        for name, argument in arguments.items()
        for path, leaf in jax.tree_util.tree_leaves_with_path(argument)
    }


def _check_leaf(name: str, leaf: object) -> None:
    if isinstance(leaf, Tracer):
        raise TypeError(
            f"{name} must have a value, which it has not while JAX traces the function "
            "around it: call `trace` outside of jit, grad and vmap."
        )
    if not valid_jaxtype(leaf):
        raise TypeError(
            f"{name} must be an array or a number; got {type(leaf).__name__}. Bind it "
            "to the function instead, with functools.partial."
        )


def _check_output(output: PyTree) -> None:
    if not isinstance(output, jax.ShapeDtypeStruct):
        raise ValueError(
            "function must return one array; got the pytree "
            f"{jax.tree.structure(output)}. Trace a function that returns the leaf to "
            "differentiate."
        )
    if not jnp.issubdtype(output.dtype, jnp.floating):
        raise TypeError(
            "function must return a real floating-point array, since only such have "
            f"gradients; got {output.dtype}."
        )


def _seed(output: jax.ShapeDtypeStruct, cotangent: ArrayLike | None) -> Array:
    if cotangent is None:
        if output.shape:
            raise ValueError(
                "function must return a scalar, or `cotangent` be given, the gradient "
                f"with respect to what it returns; it returns shape {output.shape}."
            )
        return jnp.ones((), output.dtype)
    if jnp.shape(cotangent) != output.shape:
        raise ValueError(
            f"cotangent must have the output's shape, {output.shape}; got "
            f"{jnp.shape(cotangent)}."
        )
    return jnp.asarray(cotangent, output.dtype)
