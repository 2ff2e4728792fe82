"""A line through 37 rows, which no number of devices divides, and its places."""

import jax
import numpy as np
import optax

import funclearn as fl
from funclearn import devices

KEY = jax.random.key(0)

# A CPU is made eight devices; of accelerators there are as many as there are.
COUNTS = tuple(n for n in (1, 2, 4, 8) if n <= jax.device_count())

RNG = np.random.default_rng(0)
INPUTS = RNG.normal(size=(37, 3)).astype(np.float32)
DATA = fl.Dataset(INPUTS, INPUTS @ np.array([1, -2, 3], np.float32))


def check_close(one, other):
    """Compares what differs by the order of its sums alone.

    A sum of 37 floats of 24 bits is off by 37 * 2**-24 = 2e-6 of the sum of magnitudes
    at most, and steps that contract carry a few of them on.
    """
    np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def begin(optimizer=None, model=None, blocks=None, **options):
    """A train step and the state to start from."""
    model = model or fl.models.affine(3)
    optimizer = optimizer or optax.sgd(0.1)
    objective = fl.make_objective(model, fl.losses.mse, **options)
    state = fl.init_state(KEY, model.init(KEY), optimizer)
    return fl.make_train_step(objective, optimizer, blocks=blocks), state


def placed(n, state, *data):
    """A state and data sets on the first n devices; None leaves them as they are."""
    if n is None:
        return state, *data
    mesh = devices.mesh(n)
    there = (one if one is None else devices.shard(one, mesh) for one in data)
    return devices.replicate(state, mesh), *there
