"""What varies over the devices."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp

import funclearn as fl
from funclearn.training import _varying

# Of three numbers each takes in the one before it, so that it varies a step later.
CHAIN = """
import jax, jax.numpy as jnp
from jax.sharding import AxisType, PartitionSpec as P
from funclearn.training._varying import varied, vary_as

mesh = jax.make_mesh((2,), ("d",), axis_types=(AxisType.Auto,))

def of_device(rate):
    def step(carry):
        a, b, c = carry
        return (a + rate, a + b, b + c), c * 2

    start = tuple(jnp.zeros(1) for _ in range(3))
    carry, result = varied(step, start)
    assert all(jax.typeof(x).manual_axis_type.varying == {"d"} for x in carry)
    assert result.manual_axis_type.varying == {"d"}
    assert vary_as(carry[0], carry[1]) is carry[0]
    return jax.lax.fori_loop(0, 3, lambda _, carry: step(carry)[0], carry)[2]

spread = jax.shard_map(of_device, mesh=mesh, in_specs=P("d"), out_specs=P("d"))
assert spread(jnp.array([1.0, 10.0])).tolist() == [1.0, 10.0]
"""


def test_what_comes_to_vary_late_varies_from_the_start():
    subprocess.run(
        [sys.executable, "-c", CHAIN],
        check=True,
        env=os.environ | {"XLA_FLAGS": "--xla_force_host_platform_device_count=2"},
        cwd=Path(fl.__file__).parents[1],
    )


def test_elsewhere_nothing_is_done():
    carry = {"x": jnp.ones(3), "key": jax.random.key(0)}
    same, result = _varying.varied(lambda carry: (carry, carry["x"][0]), carry)
    assert same["x"] is carry["x"] and same["key"] is carry["key"]
    assert (result.shape, result.dtype) == ((), jnp.float32)
