"""Rprop step by step, and what it refuses."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import funclearn as fl

# Updates and states of any type, where optax names many.
optimizers: Any = fl.optimizers


def test_sizes_go_by_signs():
    optimizer = optimizers.rprop(0.5, etas=(0.5, 1.5), step_sizes=(0.2, 1.0))
    state, found = optimizer.init(jnp.float32(0)), []
    for grad in (3.0, 1e-30, -1.0, -1.0, 1.0, 1.0, 1.0, 1.0):
        change, state = optimizer.update(jnp.float32(grad), state)
        found.append(float(change))
    # A changed sign halves the size and skips a step, after which the size stays.
    wanted = [-0.5, -0.75, 0, 0.375, 0, -0.2, -0.3, -0.45]
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_the_first_rate_of_a_schedule_counts():
    optimizer = optimizers.rprop(lambda count: 0.5 * (count == 0))
    state = optimizer.init(jnp.float32(0))
    _, state = optimizer.update(jnp.float32(1), state)
    change, _ = optimizer.update(jnp.float32(1), state)
    np.testing.assert_allclose(change, -0.6, rtol=1e-6)


@pytest.mark.parametrize(
    ("numbers", "refusal"),
    [
        ({"lr": -1}, "lr must be at least 0"),
        ({"etas": (0.5, 1.0)}, r"etas\[1\] must be more than 1"),
        ({"etas": (0.0, 1.2)}, r"etas\[0\] must be more than 0 and less than 1"),
        ({"step_sizes": (2, 1)}, "step_sizes must be the least and the largest one"),
    ],
)
def test_bad_numbers_are_refused(numbers, refusal):
    with pytest.raises(ValueError, match=refusal):
        optimizers.rprop(**numbers)
