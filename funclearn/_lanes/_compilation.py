"""How a block of lanes is compiled, and how many lanes make one."""

import contextlib
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from funclearn import _jaxprs, _xla
from funclearn._jaxprs import ClosedJaxpr, is_key
from funclearn._lanes._device import Device, default_device
from funclearn._lanes._host import call
from funclearn._lanes._small import is_loop, largest_value, n_bytes, parts
from funclearn._lanes._stages import Program, Stage, Value, cut
from funclearn._programs import remembered

__all__ = ["Block", "compile_block", "lanes_in_block"]

Block: TypeAlias = Callable[[Sequence[ArrayLike], Sequence[ArrayLike]], list[ArrayLike]]

_CACHE = 2**14  # bytes, half of the first level in most processors
_RESULTS = 2**28  # bytes for a block's results
_FEWEST_LANES, _MOST_LANES = 8, 128


@remembered
def lanes_in_block(closed: ClosedJaxpr, n_lanes: int) -> int:
    """How many lanes to run at once.

    On a CPU as many as keep the largest value that a loop computes, all lanes together,
    in the first-level cache. Where those would not fill a vector, each lane runs by
    itself: so do minibatches of images, convolutions and large matrices, of which a
    block would compute no more at a time. Elsewhere all that there is memory for.

    Args:
        closed: a single lane.
        n_lanes: how many there are; on a CPU it does not matter, so that sweeps of any
            size have the same bits.
    """
    if closed.effects:
        return 1  # blocks may be padded, and effects must not show it
    inside = [part for equation in closed.eqns for part in parts(equation)]
    looped = [inner for part in inside if is_loop(part) for inner in parts(part)]
    largest = max([1, *map(largest_value, looped or inside)])
    results = sum(map(n_bytes, closed.out_avals))
    lanes = _RESULTS // (results + largest)
    if jax.default_backend() == "cpu":
        lanes = min(lanes, _MOST_LANES, _CACHE // largest)
        # Mapping gains from 8 lanes on: 4 took 1.1 to 1.4 times as long as one by one,
        # with convolutions, minibatches and small networks alike.
        if lanes < _FEWEST_LANES:
            return 1
    else:
        lanes = min(lanes, 2 * n_lanes - 1)
    return 2 ** (max(1, lanes).bit_length() - 1)


@remembered
def compile_block(
    closed: ClosedJaxpr,
    size: int,
    whole: bool = True,
    device: Device = None,
) -> Block:
    """Compiles a block of lanes.

    Args:
        closed: a single lane.
        size: number of lanes.
        whole: whether to compile small loops whole where XLA can.
        device: for which; None for the one that JAX takes by itself.

    Returns:
        `(consts, inputs) -> outputs`, compiled; inputs and outputs have a leading axis
        of lanes.
    """
    program = cut(closed, size)
    if whole and any(stage.small for stage in program.stages) and _xla.may_ask():
        # XLA may not know the options, or refuse what looks as if it could be done, and
        # JAX what it would otherwise have dropped. The plain way tells what is wrong.
        with contextlib.suppress(Exception):
            return _block(program, size, device)
    return _block(cut(closed, size, whole=False), size, device)


def _block(program: Program, size: int, device: Device) -> Block:
    with default_device(device):
        compiled = [_compile(stage, size) for stage in program.stages]

    def block(
        consts: Sequence[ArrayLike], inputs: Sequence[ArrayLike]
    ) -> list[ArrayLike]:
        known = dict(zip(program.arguments, [*consts, *inputs], strict=True))
        for stage, run in zip(program.stages, compiled, strict=True):
            results = run(*map(known.__getitem__, stage.arguments))
            known.update(zip(stage.results, results, strict=True))
        results = [
            known[one] if isinstance(one, Value) else one for one in program.results
        ]
        return [
            x if isinstance(one, Value) and one.of_lane else _in_every_lane(x, size)
            for x, one in zip(results, program.results, strict=True)
        ]

    return block


def _compile(stage: Stage, size: int) -> Callable[..., list[jax.Array]]:
    def lanes(*values: jax.Array) -> list[jax.Array]:
        pairs = list(zip(values, stage.arguments, strict=True))
        if size > 1 and any(one.of_lane for one in stage.arguments):
            run = jax.vmap(
                stage.run,
                in_axes=[0 if one.of_lane else None for one in stage.arguments],
                out_axes=[0 if one.of_lane else None for one in stage.results],
            )
            return run(*values)
        # Alone, a lane waits for no other and is fused as it is without a sweep.
        results = stage.run(*(x[0] if one.of_lane else x for x, one in pairs))
        pairs = zip(results, stage.results, strict=True)
        return [jnp.asarray(x)[None] if one.of_lane else x for x, one in pairs]

    def in_one_function(*values: jax.Array) -> list[jax.Array]:
        # XLA ends the process over an argument that goes unused, as one may once all is
        # simplified. One that is returned is used, even if nobody takes it.
        call = _jaxprs.marked(lambda *values: (lanes(*values), values), _xla.WHOLE)
        return call(*values)[0]

    types = [
        jax.ShapeDtypeStruct((size,) * one.of_lane + one.aval.shape, one.aval.dtype)
        for one in stage.arguments
    ]
    # What goes unused is kept, since JAX would drop it from inner calls as well.
    jitted = jax.jit(
        in_one_function if stage.small else lanes,
        keep_unused=stage.small,
        compiler_options=_xla.OPTIONS if stage.small else None,
    )
    return call(jitted.lower(*types).compile)


def _in_every_lane(value: Any, size: int) -> jax.Array | np.ndarray:
    """Gives a value that is the same in all lanes their axis."""
    if is_key(jax.typeof(value).dtype):
        return jnp.broadcast_to(value, (size, *value.shape))
    return np.broadcast_to(value, (size, *np.shape(value)))
