"""Adamax, NAdam and RAdam beside closed forms, and what they refuse."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import funclearn as fl

# Updates and states of any type, where optax names many.
optimizers: Any = fl.optimizers


def changes(optimizer, grads):
    """What the optimizer makes of gradients, one after the other."""
    state, found = optimizer.init(jnp.float32(0)), []
    for grad in grads:
        change, state = optimizer.update(jnp.float32(grad), state, jnp.float32(0))
        found.append(float(change))
    return found


def test_adamax_divides_by_the_largest():
    # m = 0.1 * 2, then 0.9 * 0.2 + 0.1; u = 2, then 0.5 * 2, which is more than 0.8.
    found = changes(optimizers.adamax(1.0, (0.9, 0.5)), [2.0, 0.8])
    np.testing.assert_allclose(found, [-1, -0.26 / 0.19 / 1.0], rtol=1e-5)


def test_nadam_raises_its_momentum():
    mu = [0.9 * (1 - 0.5 * 0.96 ** (t * 0.1)) for t in (1, 2)]
    size = (1 - mu[0]) / (1 - mu[0]) * 1 + mu[1] / (1 - mu[0] * mu[1]) * 0.1
    found = changes(optimizers.nadam(0.5, momentum_decay=0.1), [1.0])
    np.testing.assert_allclose(found, [-0.5 * size], rtol=1e-5)


def test_radam_begins_as_momentum_does():
    found = changes(optimizers.radam(0.5), [2.0] * 7)
    # The length is more than 5 from the sixth step on.
    np.testing.assert_allclose(found[:5], -0.5 * 2, rtol=1e-5)
    s, left = 1999, 1 - 0.999**6
    r = s - 2 * 6 * 0.999**6 / left
    factor = np.sqrt((r - 4) * (r - 2) * s / ((s - 4) * (s - 2) * r))
    np.testing.assert_allclose(found[5], -0.5 * factor, rtol=1e-3)


def test_radam_of_a_short_memory_is_never_rectified():
    # With this beta the rectification divides by zero.
    found = changes(optimizers.radam(0.5, (0.9, 0.6)), [2.0] * 9)
    np.testing.assert_allclose(found, -1, rtol=1e-5)


@pytest.mark.parametrize("name", ["adamax", "nadam", "radam"])
def test_bad_numbers_are_refused(name):
    make = getattr(optimizers, name)
    for number in ("lr", "eps", "weight_decay"):
        with pytest.raises(ValueError, match=f"{number} must be at least 0"):
            make(**{number: -1})
    with pytest.raises(ValueError, match=r"betas\[1\] must be at least 0"):
        make(betas=(0.9, 1.0))
    with pytest.raises(ValueError, match="momentum_decay must be at least 0"):
        optimizers.nadam(momentum_decay=-1)
