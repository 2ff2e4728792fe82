import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funclearn.optimizers import schedules

NAMES = "step_lr", "multi_step_lr", "exponential_lr"


def test_rates_are_pytorch_s(recorded, float64):
    recorded.check(*NAMES)


def test_rates_in_single_precision(recorded):
    recorded.check(*NAMES)


def test_steps_are_exact_in_single_precision():
    """Far beyond the integers that float32 has."""
    step = schedules.step_lr(1.0, 2**24 + 1, gamma=0.5)
    counts = np.array([2**24, 2**24 + 1, 2**25 + 1, 2**25 + 2])
    np.testing.assert_array_equal(jax.vmap(step)(counts), [1, 0.5, 0.5, 0.25])
    many = schedules.multi_step_lr(1.0, [2**25 + 2, 2**24 + 1], gamma=0.5)
    np.testing.assert_array_equal(jax.vmap(many)(counts), [1, 0.5, 0.5, 0.25])


def test_all_numbers_may_be_traced():
    @jax.jit
    @jax.vmap
    def rates(lr, size, gamma):
        return [
            schedules.step_lr(lr, size, gamma)(7),
            schedules.multi_step_lr(lr, [size, 2 * size], gamma)(7),
            schedules.exponential_lr(lr, gamma)(7),
        ]

    one, two = np.array([0.5, 2.0]), np.array([3.0, 5.0])
    step, many, power = rates(one, two, jnp.array([0.5, 0.1]))
    np.testing.assert_allclose(step, [0.125, 0.2], rtol=1e-6)
    np.testing.assert_allclose(many, [0.125, 0.2], rtol=1e-6)
    np.testing.assert_allclose(power, [0.5**8, 2e-7], rtol=1e-5)
    slope = jax.grad(lambda gamma: schedules.step_lr(1.0, 2, gamma)(5))(0.0)
    assert slope == 0


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="lr must be at least 0; got -1"):
        schedules.step_lr(-1.0, 2)
    with pytest.raises(ValueError, match="step_size must be an integer of at least 1"):
        schedules.step_lr(0.1, 2.5)
    with pytest.raises(ValueError, match=r"milestones\[1\] must be an integer of at "):
        schedules.multi_step_lr(0.1, [3, -1])
    with pytest.raises(ValueError, match="gamma must be a number; got nan"):
        schedules.exponential_lr(0.1, float("nan"))
