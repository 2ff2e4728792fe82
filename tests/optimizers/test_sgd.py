"""SGD and ASGD beside loops of NumPy, and what they refuse."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import optax
import pytest

import funclearn as fl

# Updates and states of any type, where optax names many.
optimizers: Any = fl.optimizers


def course(optimizer, param, steps=4):
    """The parameter after each step down half of its square, and the last state."""
    state, after = optimizer.init(param), []
    for _ in range(steps):
        change, state = optimizer.update(param, state, param)
        param = param + change
        after.append(float(param))
    return after, state


def test_momentum_dampening_and_decay():
    optimizer = optimizers.sgd(0.1, 0.5, dampening=0.25, weight_decay=1.0)
    p, buffer, wanted = 1.0, 2.0, []  # the first one is not dampened
    for _ in range(4):
        p -= 0.1 * buffer
        wanted.append(p)
        buffer = 0.5 * buffer + 0.75 * 2 * p
    after, state = course(optimizer, jnp.float32(1))
    np.testing.assert_allclose(after, wanted, rtol=1e-6)
    assert set(state.memory) == {"momentum_buffer"}


def test_numbers_may_be_schedules():
    optimizer = optimizers.sgd(
        optax.piecewise_constant_schedule(0.5, {1: 0.5}), lambda count: 0.1 * count
    )
    # The momentum of the second step is 0.1.
    after, _ = course(optimizer, jnp.float32(1), steps=2)
    np.testing.assert_allclose(after, [0.5, 0.5 - 0.25 * (0.1 + 0.5)], rtol=1e-6)


def test_nothing_is_remembered_without_momentum():
    assert optimizers.sgd(0.1).init(jnp.ones(2)).memory == {}


@pytest.mark.parametrize("numbers", [{}, {"momentum": 0.9, "dampening": 0.1}])
def test_nesterov_needs_momentum_alone(numbers):
    with pytest.raises(ValueError, match="nesterov must go with momentum above 0"):
        optimizers.sgd(0.1, nesterov=True, **numbers)


@pytest.mark.parametrize("name", ["lr", "momentum", "weight_decay"])
def test_negative_numbers_are_refused(name):
    with pytest.raises(ValueError, match=f"{name} must be at least 0; got -1"):
        optimizers.sgd(**{name: -1})


def test_the_average_and_the_decay_of_the_rate():
    numbers = {"lr": 0.5, "lambd": 0.1, "alpha": 0.5, "t0": 1}
    p, ax, eta, mu, wanted = 1.0, 0.0, 0.5, 1.0, []
    for t in range(1, 5):
        p = (1 - 0.1 * eta) * p - eta * p
        ax = p if mu == 1 else ax + mu * (p - ax)
        eta, mu = 0.5 / (1 + 0.1 * 0.5 * t) ** 0.5, 1 / max(1, t - 1)
        wanted.append(p)
    after, state = course(optimizers.asgd(**numbers), jnp.float32(1))
    np.testing.assert_allclose(after, wanted, rtol=1e-5)
    np.testing.assert_allclose(state.memory["ax"], ax, rtol=1e-5)
    assert mu != 1
