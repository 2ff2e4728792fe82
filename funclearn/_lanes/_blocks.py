"""Mapping a function over lanes, block by block.

All blocks have one size and one compiled program, the last one padded with lanes that
are thrown away. So a lane's bits depend neither on how many lanes there are nor on
which, and together the lanes may need more memory than there is. Threads take one block
after the other and put its results where they belong.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree

from funclearn._arrays import narrowed
from funclearn._checks import integer_at_least, leading_length
from funclearn._jaxprs import ClosedJaxpr, Tracer
from funclearn._lanes._compilation import lanes_in_block
from funclearn._lanes._device import Device
from funclearn._lanes._host import Clock, run_all
from funclearn._lanes._keeping import keeping
from funclearn._lanes._memory import adopt, empty, to_host
from funclearn._lanes._runner import runner
from funclearn._lanes._spread import Results, Spread, agree, check_unspread, exchange
from funclearn._lanes._watch import Watch
from funclearn._programs import kept, remembered

__all__ = ["map_blocks"]


def map_blocks(
    function: Callable[..., PyTree],
    values: Mapping[str, PyTree],
    positions: Mapping[str, np.ndarray] | None = None,
    *,
    static: Mapping[str, object] | None = None,
    block_size: int | None = None,
    watch: Watch | None = None,
    spread: Spread | None = None,
) -> PyTree:
    """Calls `function(**lane)` for every lane and stacks what it returns.

    It compiles once for a function, the shapes of a lane and the static arguments.
    Under `jax.jit` and other transformations it becomes a part of what they transform.

    Args:
        function: a pure function of named pytrees of arrays.
        values: these pytrees, with a leading axis of values.
        positions: by name, which of its values each lane takes: integer arrays of one
            shape, that of the lanes. None takes the first, the second and so on.
        static: named arguments that all lanes share and that are not traced.
        block_size: lanes at once; None leaves the choice to the library.
        watch: what is told of the lanes that are done; under a transformation it is
            told nothing.
        spread: where the lanes run, and where they are kept.

    Returns:
        What the function returns, with the axes of the lanes in front.

    Raises:
        ValueError: if `block_size` is less than 1, a value beyond the range of the
            dtype that JAX has for it, or `spread` given under a transformation.
    """
    static = dict(static or {})
    values = {
        name: jax.tree.map(jnp.asarray, narrowed(name, tree))
        for name, tree in values.items()
    }
    if positions is None:
        lengths = {name: leading_length(name, tree) for name, tree in values.items()}
        positions = {name: np.arange(length) for name, length in lengths.items()}
    one = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype), values)
    traced = _jitted(function, tuple(static)).trace(**one, **static)
    lanes = _lanes(values, positions)
    if block_size is None:
        block_size = lanes_in_block(traced.jaxpr, lanes.number) if values else 1
    size = integer_at_least("block_size", block_size, 1)
    if not _is_traced(lanes.arrays, traced.jaxpr):
        if watch is not None:
            watch.expect(traced.out_info)
        results = _run_blocks(traced.jaxpr, lanes, size, watch, spread)
        return jax.tree.unflatten(jax.tree.structure(traced.out_info), results)

    check_unspread(spread)

    def call(inputs: list[Array]) -> PyTree:
        lane = jax.tree.unflatten(jax.tree.structure(values), inputs)
        return function(**lane, **static)

    return _map_traced(call, lanes, size)


def _jitted(function: Callable[..., PyTree], static: tuple[str, ...]) -> Any:
    """The function under `jax.jit`; to make that takes as long as a small block."""
    return kept(_jit, (function,), static)


def _jit(take: Callable[[], tuple[Any]], static: tuple[str, ...]) -> Any:
    def lane(**arguments: PyTree) -> PyTree:
        return take()[0](**arguments)

    return jax.jit(lane, static_argnames=static)


class _Lanes(NamedTuple):
    """Arrays, and for each which of its values the lanes take."""

    arrays: Sequence[Array | np.ndarray]
    positions: list[np.ndarray]
    shape: tuple[int, ...]

    @property
    def number(self) -> int:
        """How many there are."""
        return math.prod(self.shape)

    def take(self, numbers: np.ndarray) -> Sequence[Array | np.ndarray]:
        """The inputs of some lanes, by their numbers in the flattened shape."""
        pairs = zip(self.arrays, self.positions, strict=True)
        return [array[position[numbers]] for array, position in pairs]

    def neighbours(self) -> np.ndarray:
        """Their numbers, in an order that brings lanes of like values together."""
        fractions = [
            array[position]
            for array, position in zip(self.arrays, self.positions, strict=True)
            if array.ndim == 1 and jnp.issubdtype(array.dtype, jnp.floating)
        ]
        if not fractions:
            return np.arange(self.number)
        return np.lexsort(fractions[::-1])


def _lanes(values: Mapping[str, PyTree], positions: Mapping[str, np.ndarray]) -> _Lanes:
    arrays = jax.tree.leaves(values)
    places = [
        positions[name].reshape(-1)
        for name in sorted(values)
        for _ in jax.tree.leaves(values[name])
    ]
    shape = np.broadcast_shapes(*(place.shape for place in positions.values()))
    return _Lanes(arrays, places, shape)


def _is_traced(arrays: Sequence[Array | np.ndarray], closed: ClosedJaxpr) -> bool:
    # Under `jit` every new array is traced. A traced array that the function closes
    # over is one more input of its jaxpr. Without `jit` there are no programs.
    config: Any = jax.config
    if len(closed.in_avals) > len(arrays) or config.jax_disable_jit:
        return True
    return any(isinstance(x, Tracer) for x in (jnp.zeros(()), *arrays))


def _map_traced(
    call: Callable[[list[Array]], PyTree], lanes: _Lanes, size: int
) -> PyTree:
    n_lanes = lanes.number
    n_blocks = -(-n_lanes // size)
    numbers = np.minimum(np.arange(n_blocks * size), n_lanes - 1)
    if size > 1:
        numbers = numbers.reshape(n_blocks, size)

    def lane(_: Array, inputs: list[Array]) -> PyTree:
        return call(inputs)

    def block(inputs: tuple[Array, list[Array]]) -> PyTree:
        return (jax.vmap(lane) if size > 1 else lane)(*inputs)

    def join(leaf: jax.Array) -> jax.Array:
        rest = leaf.shape[numbers.ndim :]
        return leaf.reshape(-1, *rest)[:n_lanes].reshape((*lanes.shape, *rest))

    # A function without inputs is mapped over the numbers.
    results = jax.lax.map(block, (numbers, lanes.take(numbers)))
    return jax.tree.map(join, results)


@remembered
def _clock(closed: ClosedJaxpr, size: int, device: Device) -> Clock:
    """That of the blocks of a program."""
    del closed, size, device
    return Clock()


def _run_blocks(
    closed: ClosedJaxpr,
    lanes: _Lanes,
    size: int,
    watch: Watch | None,
    spread: Spread | None,
) -> list[jax.Array]:
    spread = spread or Spread()
    arrays = [empty(lanes.number, aval) for aval in closed.out_avals]
    results = Results(arrays, np.zeros(lanes.number, bool))
    dtypes = [array.dtype for array in lanes.arrays]
    lanes = lanes._replace(arrays=list(map(to_host, lanes.arrays)))
    inputs = [*lanes.arrays, *lanes.positions]
    with keeping(spread, results, closed, inputs, size) as keeper:
        # A block runs until the last of its lanes stops, and like ones stop together.
        order = lanes.neighbours()
        left = order[~agree(results, spread)[order]]
        own = spread.own(left, size)
        if watch is not None:
            watch.begin(lanes.number - len(left), len(left) - len(own))
        run = runner(closed, dtypes, size, spread.devices)
        clock = _clock(closed, size, spread.devices[0])
        looking = [one for one in (watch, keeper) if one is not None]

        def look() -> None:
            for one in looking:
                one.look()

        block = _block(run, lanes, own, size, results, watch)
        run_all(block, range(0, len(own), size), clock, look, len(spread.devices))
        if watch is not None:
            watch.look()
    exchange(results, spread)
    return adopt(
        [array.reshape((*lanes.shape, *array.shape[1:])) for array in arrays],
        [aval.dtype for aval in closed.out_avals],
    )


def _block(
    run: Callable[..., list[Any]],
    lanes: _Lanes,
    own: np.ndarray,
    size: int,
    results: Results,
    watch: Watch | None,
) -> Callable[[int], None]:
    """Makes what runs the lanes from a place on, and puts their results in."""

    def block(start: int) -> None:
        numbers = own[np.minimum(np.arange(start, start + size), len(own) - 1)]
        outputs = run(lanes.take(numbers))
        rows = own[start : start + size]
        for array, output in zip(results.arrays, outputs, strict=True):
            array[rows] = to_host(output)[: len(rows)]
        results.done[rows] = True
        if watch is not None:
            watch.take(outputs, len(rows))

    return block
