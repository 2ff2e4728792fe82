"""States of arrays of which several devices hold a part each."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from funclearn import devices

WIDE = np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32)


def over(n, *axes):
    """A place on the first n devices."""
    return NamedSharding(devices.mesh(n), PartitionSpec(*axes))


def put(numbers, place):
    """An array there, also if it is spread over processes."""
    numbers = np.asarray(numbers)
    return jax.make_array_from_callback(
        numbers.shape, place, lambda index: numbers[index]
    )


def parted(n, step=0):
    """A state of which two leaves have parts."""
    halves = put(jnp.arange(8).astype(jnp.bfloat16) - step, over(n, "data"))
    return {
        "wide": put(WIDE + step, over(n, "data")),
        "half": halves,
        "all": put(np.arange(3) + step, over(n)),
        "number": step,
    }
