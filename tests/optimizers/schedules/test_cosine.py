import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funclearn.optimizers import schedules

NAMES = "cosine_annealing_lr", "cosine_annealing_warm_restarts"


def test_rates_are_pytorch_s(recorded, float64):
    recorded.check(*NAMES)


def test_rates_in_single_precision(recorded):
    recorded.check(*NAMES)


def test_single_precision_is_exact_after_any_number_of_steps():
    """Also where the rate is a millionth of the highest, and beside the restarts."""
    once = jax.jit(schedules.cosine_annealing_lr(1.0, 1000))
    exact = [(1 + math.cos(math.pi * place / 1000)) / 2 for place in (999, 1000, 1)]
    for beyond in (0, 2000 * 10**6):
        got = [once(beyond + place) for place in (999, 1000, 1)]
        np.testing.assert_allclose(got, exact, rtol=1e-6)
    longer = jax.jit(schedules.cosine_annealing_warm_restarts(1.0, 3, T_mult=2))
    # Restarts after 3 * (2**n - 1) steps, the last one below 2**31.
    starts = 3 * (2 ** np.arange(29, dtype=np.int64) - 1)
    got = [[longer(start), longer(start - 1)] for start in starts[20:].tolist()]
    np.testing.assert_array_equal(np.array(got)[:, 0], 1)
    assert np.all(np.array(got)[:, 1] < 1e-11)
    assert 0 < longer(2**31 - 1) < 1


def test_all_numbers_may_be_traced():
    @jax.jit
    @jax.vmap
    def rates(lr, length, low):
        return [
            schedules.cosine_annealing_lr(lr, length, low)(3),
            schedules.cosine_annealing_warm_restarts(lr, length, 1, low)(3),
            schedules.cosine_annealing_warm_restarts(lr, length, 2, low)(3),
        ]

    values = rates(jnp.array([1.0, 2.0]), jnp.array([2, 6]), jnp.array([0.0, 1.0]))
    wanted = [[0.5, 1.5], [0.5, 1.5], [(1 + math.cos(math.pi / 4)) / 2, 1.5]]
    np.testing.assert_allclose(values, wanted, rtol=1e-6)


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="T_max must be an integer of at least 1"):
        schedules.cosine_annealing_lr(0.1, 0)
    with pytest.raises(ValueError, match="T_0 must be an integer of at least 1"):
        schedules.cosine_annealing_warm_restarts(0.1, 1.5)
    with pytest.raises(ValueError, match="T_mult must be at least 1"):
        schedules.cosine_annealing_warm_restarts(0.1, 2, 0)
