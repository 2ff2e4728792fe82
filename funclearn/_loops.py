"""The loop over epochs, whose bits do not depend on where a run is cut.

XLA unrolls a loop of a single trip and fuses its body otherwise, which moves the last
bits: epoch by epoch would not equal all at once. A loop whose number of trips it cannot
see stays a loop, but has no reverse mode. So a single trip is such a loop when it is
evaluated, and a scan when it is differentiated.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

__all__ = ["repeat"]

Body = Callable[[Any], tuple[Any, Any]]


def repeat(body: Body, state: Any, length: int) -> tuple[Any, Any]:
    """Applies `body(state) -> (state, row)` over and over and stacks the rows.

    Returns:
        The last state, and the rows along a new axis 0 of the given length.
    """
    if length == 1:
        return _once(body, state)
    return _scan(body, state, length)


def _scan(body: Body, state: Any, length: int) -> tuple[Any, Any]:
    return jax.lax.scan(lambda state, _: body(state), state, length=length)


def _once(body: Body, state: Any) -> tuple[Any, Any]:
    # What is differentiated with respect to must be an argument, not in a closure.
    body, captured = jax.closure_convert(body, state)

    @jax.custom_jvp
    def once(state: Any, captured: list[Any]) -> tuple[Any, Any]:
        def trip(index: Any, carry: tuple[Any, Any]) -> tuple[Any, Any]:
            state, rows = carry
            state, row = body(state, *captured)
            # Written into a buffer, as a scan does: the body must fuse as there.
            return state, jax.tree.map(lambda b, x: b.at[index].set(x), rows, row)

        row = jax.eval_shape(body, state, *captured)[1]
        rows = jax.tree.map(lambda leaf: jnp.zeros((1, *leaf.shape), leaf.dtype), row)
        length = jax.lax.optimization_barrier(jnp.int32(1))
        return jax.lax.fori_loop(0, length, trip, (state, rows))

    @once.defjvp
    def once_jvp(primals: Any, tangents: Any) -> tuple[Any, Any]:
        def scan(state: Any, captured: list[Any]) -> tuple[Any, Any]:
            return _scan(lambda state: body(state, *captured), state, 1)

        return jax.jvp(scan, primals, tangents)

    return once(state, captured)
