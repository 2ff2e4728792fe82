from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from funclearn.optimizers import schedules

NAMES = "lambda_lr", "multiplicative_lr", "sequential_lr"


def test_rates_are_pytorch_s(recorded, float64):
    recorded.check(*NAMES)


def test_rates_in_single_precision(recorded):
    recorded.check(*NAMES)


def test_rates_have_derivatives_and_lanes():
    def multiplied(lr, factor):
        return schedules.multiplicative_lr(lr, lambda count: factor * count)(3)

    value, slope = jax.value_and_grad(multiplied)(2.0, 0.5)
    np.testing.assert_allclose([value, slope], [2 * 6 / 8, 6 / 8])
    _, slope = jax.jvp(lambda factor: multiplied(2.0, factor), (0.5,), (1.0,))
    np.testing.assert_allclose(slope, 2 * 6 * 3 / 4)
    lanes = jax.vmap(schedules.multiplicative_lr(1.0, lambda count: 2.0))(jnp.arange(4))
    np.testing.assert_array_equal(lanes, [1, 2, 4, 8])


def test_a_sequence_is_of_any_schedules_and_places():
    def rates(place):
        parts = optax.constant_schedule(3.0), lambda count: 10.0 + count
        return jax.vmap(schedules.sequential_lr(parts, [place]))(jnp.arange(4))

    lanes = jax.jit(jax.vmap(rates))(jnp.array([2, 3]))
    np.testing.assert_array_equal(lanes, [[3, 3, 10, 11], [3, 3, 3, 10]])
    skipped = schedules.sequential_lr(
        list(map(optax.constant_schedule, (1.0, 2.0, 3.0))), [2, 2]
    )
    assert skipped(2) == 3


def test_bad_arguments_are_named(plain_annotations):
    one: Any = optax.constant_schedule(1.0)
    with pytest.raises(TypeError, match="lr_lambda must be a function of the count"):
        schedules.lambda_lr(0.1, 0.5)  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="lr_lambda must be a function of the count"):
        schedules.multiplicative_lr(0.1, 0.5)  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match=r"schedules\[1\] must be a function"):
        schedules.sequential_lr([one, 0.1], [3])  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="milestones must be one fewer than schedules"):
        schedules.sequential_lr([one, one], [3, 4])
    with pytest.raises(ValueError, match="milestones must be one fewer than schedules"):
        schedules.sequential_lr([], [])
    with pytest.raises(ValueError, match="milestones must be in ascending order"):
        schedules.sequential_lr([one, one, one], [4, 3])
