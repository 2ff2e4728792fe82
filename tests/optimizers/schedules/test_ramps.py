import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funclearn.optimizers import schedules

NAMES = "constant_lr", "linear_lr", "polynomial_lr"


def test_rates_are_pytorch_s(recorded, float64):
    recorded.check(*NAMES)


def test_rates_in_single_precision(recorded):
    recorded.check(*NAMES)


def test_ends_are_exact_in_single_precision():
    total, counts = 2**24 + 1, np.array([2**24, 2**24 + 1, 2**24 + 2])
    constant = schedules.constant_lr(1.0, 0.5, total)
    np.testing.assert_array_equal(jax.vmap(constant)(counts), [0.5, 1, 1])
    rest = jax.vmap(schedules.polynomial_lr(1.0, total))(counts)
    np.testing.assert_allclose(rest, [2.0**-24, 0, 0], rtol=1e-6)
    line = jax.vmap(schedules.linear_lr(0.5, 1.0, 0.0, total))(counts)
    np.testing.assert_array_equal(line[1:], 0)


def test_all_numbers_may_be_traced():
    @jax.jit
    @jax.vmap
    def rates(lr, total, other):
        return [
            schedules.constant_lr(lr, other, total)(3),
            schedules.linear_lr(lr, other, 1.0, total)(3),
            schedules.polynomial_lr(lr, total, 2 * other)(3),
        ]

    values = rates(jnp.array([1.0, 2.0]), jnp.array([3, 6]), jnp.array([0.5, 0.25]))
    wanted = [[1, 0.5], [1, 1.25], [0, 2**0.5]]
    np.testing.assert_allclose(values, wanted, rtol=1e-6)
    slope = jax.grad(lambda power: schedules.polynomial_lr(1.0, 3, power)(3))(0.5)
    assert slope == 0


@pytest.mark.parametrize("name", NAMES)
def test_bad_arguments_are_named(name):
    schedule = getattr(schedules, name)
    with pytest.raises(
        ValueError, match="total_iters must be an integer of at least 1"
    ):
        schedule(0.1, total_iters=0)
    with pytest.raises(ValueError, match="lr must be at least 0"):
        schedule(-0.1)


def test_bad_factors_are_named():
    with pytest.raises(ValueError, match="factor must be at least 0 and at most 1"):
        schedules.constant_lr(0.1, 1.5)
    with pytest.raises(ValueError, match="start_factor must be more than 0"):
        schedules.linear_lr(0.1, 0.0)
    with pytest.raises(ValueError, match="end_factor must be at least 0"):
        schedules.linear_lr(0.1, end_factor=2.0)
