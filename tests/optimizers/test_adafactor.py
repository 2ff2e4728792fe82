"""Adafactor beside NumPy, and what it refuses."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import funclearn as fl

# Updates and states of any type, where optax names many.
optimizers: Any = fl.optimizers


def rms(values):
    return np.sqrt(np.mean(np.square(values)))


@pytest.mark.slow
def test_matrices_are_factored_and_vectors_are_not(float64):
    draw = np.random.default_rng(0)
    params = {"cube": draw.normal(size=(2, 3, 4)), "vector": draw.normal(size=3)}
    grads = [{name: draw.normal(size=leaf.shape) for name, leaf in params.items()}] * 2
    optimizer = optimizers.adafactor(0.9, d=1.25, weight_decay=0.5)
    state = optimizer.init({name: jnp.asarray(leaf) for name, leaf in params.items()})
    rows, columns, variance = 0, 0, 0
    for t, grad in enumerate(grads, start=1):
        given = {name: jnp.asarray(leaf) for name, leaf in grad.items()}
        change, state = optimizer.update(given, state, params)
        weight, square = t**-0.8, grad["cube"] ** 2
        rows = (1 - weight) * rows + weight * square.mean(-1, keepdims=True)
        columns = (1 - weight) * columns + weight * square.mean(-2, keepdims=True)
        variance = (1 - weight) * variance + weight * grad["vector"] ** 2
        estimates = rows * columns / rows.mean(-2, keepdims=True), variance
        for (name, leaf), estimate in zip(params.items(), estimates, strict=True):
            update = grad[name] / np.sqrt(estimate)
            size = max(1e-3, rms(leaf)) * min(0.9, 1 / np.sqrt(t))
            wanted = -size * update / max(1, rms(update) / 1.25) - 0.45 * leaf
            np.testing.assert_allclose(change[name], wanted, rtol=1e-12)
    assert state.memory["row_var"]["vector"].size == 0
    assert state.memory["variance"]["cube"].size == 0


def test_parameters_of_zero_move_by_the_floor():
    optimizer = optimizers.adafactor(0.5, eps=(1e-8, 0.25))
    zeros, grads = jnp.zeros(2), jnp.array([2.0, -3.0])
    change, _ = optimizer.update(grads, optimizer.init(zeros), zeros)
    np.testing.assert_allclose(change, [-0.125, 0.125], rtol=1e-6)


@pytest.mark.parametrize(
    ("numbers", "refusal"),
    [
        ({"lr": -1}, "lr must be at least 0"),
        ({"beta2_decay": 0.1}, "beta2_decay must be at most 0"),
        ({"eps": (-1, 1e-3)}, r"eps\[0\] must be at least 0"),
        ({"eps": (None, -1)}, r"eps\[1\] must be at least 0"),
        ({"d": 0.5}, "d must be at least 1"),
        ({"weight_decay": -1}, "weight_decay must be at least 0"),
    ],
)
def test_bad_numbers_are_refused(numbers, refusal):
    with pytest.raises(ValueError, match=refusal):
        optimizers.adafactor(**numbers)
