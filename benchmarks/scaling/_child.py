"""What runs in the processes that are timed."""

import json
import sys
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

import funclearn as fl
from benchmarks._measure import seconds

__all__ = ["tell"]

_TURNS = 3
_STEPS_ALONE, _STEPS_TOGETHER, _WORDS = 2000, 100, 100
_FLOPS = 5e8
"""That a call may take."""


def tell() -> None:
    """Measures what the command line asks for, and prints it in a line."""
    asked, number = json.loads(sys.argv[1]), int(sys.argv[2])
    if asked["processes"] > 1:
        fl.devices.initialise(asked["coordinator"], asked["processes"], number)
    found = fl.devices.worker(lambda: _measure(asked["steps"], asked["words"]))
    print(json.dumps(found), flush=True)


def _measure(steps: list[list[Any]], words: list[int]) -> dict[str, list[list[Any]]]:
    mesh = fl.devices.mesh()
    return {
        "steps": [[name, rows, _of_a_step(name, rows, mesh)] for name, rows in steps],
        "words": [[n_bytes, _of_a_word(n_bytes, mesh)] for n_bytes in words],
    }


def _of_a_step(name: str, n_rows: int, mesh: Mesh) -> float:
    # It makes arrays, which may not be made before the processes have met.
    from benchmarks.scaling._programs import PROGRAMS, flops_of_a_row, start

    program = PROGRAMS[name]
    step, state = start(program)
    data = jax.tree.map(np.asarray, program.rows(n_rows))
    if mesh.size > 1:
        state = fl.devices.replicate(state, mesh)
        data = fl.devices.shard(data, mesh)
    most = _FLOPS / (flops_of_a_row(program) * n_rows)
    n_steps = _STEPS_ALONE if mesh.size == 1 else _STEPS_TOGETHER
    n_steps = max(2, min(n_steps, int(most)))
    return _median(lambda: fl.fit(step, state, data, epochs=n_steps)[:2]) / n_steps


def _of_a_word(n_bytes: int, mesh: Mesh) -> float:
    """The seconds of an all-reduce, one after the other in a loop."""
    place = NamedSharding(mesh, P())
    numbers = np.ones(max(1, n_bytes // 4), np.float32)
    vector = jax.make_array_from_callback(numbers.shape, place, lambda at: numbers[at])

    def word(_: Any, vector: jax.Array) -> jax.Array:
        return jax.lax.psum(vector, mesh.axis_names) / jnp.float32(mesh.size)

    @jax.jit
    @jax.shard_map(mesh=mesh, in_specs=P(), out_specs=P(), check_vma=False)
    def words(vector: jax.Array) -> jax.Array:
        return jax.lax.fori_loop(0, _WORDS, word, vector)

    return _median(lambda: words(vector)) / _WORDS


def _median(function: Callable[[], Any]) -> float:
    return float(np.median(seconds({"": function}, _TURNS)[""]))
