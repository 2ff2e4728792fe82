"""Adam's kind beside closed forms, and what they refuse."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import funclearn as fl

# Updates and states of any type, where optax names many.
optimizers: Any = fl.optimizers


def first_change(optimizer, grad, param=None):
    grad = jnp.asarray(grad, jnp.float32)
    return optimizer.update(grad, optimizer.init(grad), param)


def test_the_first_step_has_the_size_of_the_rate():
    change, state = first_change(optimizers.adam(0.5), [3.0, -1e-3, 0.0])
    np.testing.assert_allclose(change, [-0.5, 0.5, 0], rtol=2e-5)
    assert set(state.memory) == {"exp_avg", "exp_avg_sq"}
    _, state = first_change(optimizers.adam(amsgrad=True), [1.0])
    np.testing.assert_allclose(state.memory["max_exp_avg_sq"], 1e-3, rtol=1e-6)


def test_decay_is_a_penalty_or_apart():
    param = jnp.float32([2.0])
    change, _ = first_change(optimizers.adam(0.5, weight_decay=0.25), [-0.5], param)
    np.testing.assert_array_equal(change, [0])  # the gradient is 0 with the penalty
    change, _ = first_change(optimizers.adamw(0.5, weight_decay=0.25), [-0.5], param)
    np.testing.assert_allclose(change, [0.5 - 0.25], rtol=1e-6)
    apart = optimizers.adam(0.5, weight_decay=0.25, decoupled_weight_decay=True)
    same, _ = first_change(apart, [-0.5], param)
    np.testing.assert_array_equal(change, same)


def test_rows_without_a_gradient_stay():
    optimizer = optimizers.sparse_adam(0.5)
    params = {"table": jnp.ones((3, 2)), "entries": jnp.ones(3), "one": jnp.float32(1)}
    state = optimizer.init(params)
    touched = {
        "table": jnp.array([[1.0, 0.0], [0.0, 0.0], [2.0, 2.0]]),
        "entries": jnp.array([1.0, 0.0, -1.0]),
        "one": jnp.float32(0),
    }
    _, state = optimizer.update(touched, state)
    later = {name: 0 * leaf for name, leaf in touched.items()}
    later["table"] = later["table"].at[1].set(1.0)
    change, state = optimizer.update(later, state)
    rows = np.any(np.asarray(change["table"]) != 0, axis=1)
    np.testing.assert_array_equal(rows, [False, True, False])  # its first, at step 2
    size = 0.5 * np.sqrt(1 - 0.999**2) / (1 - 0.9**2) * 0.1 / np.sqrt(1e-3)
    np.testing.assert_allclose(change["table"][1], -size, rtol=1e-5)
    np.testing.assert_array_equal(change["entries"], 0)
    kept = state.memory["exp_avg"]
    np.testing.assert_allclose(kept["table"], 0.1 * np.array([[1, 0], [1, 1], [2, 2]]))
    np.testing.assert_allclose(kept["entries"], [0.1, 0, -0.1])


@pytest.mark.parametrize(
    ("numbers", "refusal"),
    [
        ({"lr": -1.0}, "lr must be at least 0"),
        ({"eps": -1.0}, "eps must be at least 0"),
        ({"betas": (1.0, 0.9)}, r"betas\[0\] must be at least 0 and less than 1"),
        ({"weight_decay": -1.0}, "weight_decay must be at least 0"),
    ],
)
def test_bad_numbers_are_refused(numbers, refusal):
    for make in (optimizers.adam, optimizers.adamw):
        with pytest.raises(ValueError, match=refusal):
            make(**numbers)


def test_the_sparse_one_needs_positive_numbers():
    with pytest.raises(ValueError, match="lr must be more than 0; got 0"):
        optimizers.sparse_adam(0)
    with pytest.raises(ValueError, match="eps must be more than 0; got 0"):
        optimizers.sparse_adam(eps=0)
