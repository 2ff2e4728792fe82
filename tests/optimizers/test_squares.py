"""Adagrad, Adadelta and RMSprop beside closed forms, and what they refuse."""

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


def test_adagrad_sums_squares_and_lowers_its_rate():
    optimizer = optimizers.adagrad(0.5, lr_decay=1.0, initial_accumulator_value=7.0)
    wanted = [-0.5 * 3 / 4, -0.25 * 3 / 5, 0]
    np.testing.assert_allclose(changes(optimizer, [3.0, 3.0, 0.0]), wanted, rtol=1e-6)
    assert changes(optimizers.adagrad(), [0.0]) == [0]


def test_adadelta_takes_the_size_of_past_steps():
    delta = np.sqrt(1e-2) / np.sqrt(0.5 * 4 + 1e-2) * 2
    square = 0.25 * 4 + 0.5
    after = np.sqrt(0.5 * delta**2 + 1e-2) / np.sqrt(square + 1e-2)
    found = changes(optimizers.adadelta(3.0, 0.5, 1e-2), [2.0, 1.0])
    np.testing.assert_allclose(found, [-3 * delta, -3 * after], rtol=1e-5)


def test_rmsprop_centered_with_momentum():
    optimizer = optimizers.rmsprop(0.5, 0.75, 0.0, momentum=0.5, centered=True)
    v, a, b, wanted = 0.0, 0.0, 0.0, []
    for g in (2.0, -1.0, 3.0):
        v, a = 0.75 * v + 0.25 * g**2, 0.75 * a + 0.25 * g
        b = 0.5 * b + g / np.sqrt(v - a**2)
        wanted.append(-0.5 * b)
    np.testing.assert_allclose(changes(optimizer, [2.0, -1.0, 3.0]), wanted, rtol=1e-5)


def test_rmsprop_has_no_root_of_a_negative_number():
    # Of a constant gradient the variance falls to zero, and rounds to either side.
    found = changes(optimizers.rmsprop(1e-9, 0.5, centered=True), [0.3] * 60)
    assert np.all(np.isfinite(found)) and np.all(np.array(found) < 0)


def test_the_rate_counts_after_the_momentum():
    optimizer = optimizers.rmsprop(lambda count: 1.0 - count, momentum=0.9)
    assert changes(optimizer, [1.0, 1.0])[1] == 0


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("adadelta", "lr eps weight_decay"),
        ("adagrad", "lr lr_decay weight_decay initial_accumulator_value eps"),
        ("rmsprop", "lr alpha eps weight_decay momentum"),
    ],
)
def test_negative_numbers_are_refused(name, numbers):
    for number in numbers.split():
        with pytest.raises(ValueError, match=f"{number} must be at least 0; got -1"):
            getattr(optimizers, name)(**{number: -1})
    with pytest.raises(ValueError, match="rho must be at least 0 and at most 1; got 2"):
        optimizers.adadelta(rho=2)
