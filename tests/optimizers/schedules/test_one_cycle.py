import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funclearn.optimizers import schedules


def test_rates_and_momenta_are_pytorch_s(recorded, float64):
    """Up to the last count that PyTorch has, the number of steps."""
    made = recorded.check("one_cycle_lr")
    assert made["one, three straight"].momentum is None
    assert sum(name.endswith("/momentum") for name in made) == 5


def test_rates_in_single_precision(recorded):
    recorded.check("one_cycle_lr")


@pytest.mark.parametrize("strategy", ["cos", "linear"])
def test_beyond_its_end_it_stays_where_the_last_step_was(strategy):
    cycle = schedules.one_cycle_lr(0.5, 40, anneal_strategy=strategy)
    assert cycle.momentum is not None
    counts = jnp.array([39, 41, 10**6])
    rates, momenta = jax.vmap(cycle)(counts), jax.vmap(cycle.momentum)(counts)
    np.testing.assert_allclose(rates, 2e-6, rtol=1e-6)
    np.testing.assert_allclose(momenta, 0.95, rtol=1e-6)


def test_phases_are_exact_in_single_precision():
    total = 2**25 + 2
    cycle = schedules.one_cycle_lr(1.0, total, pct_start=0.5, anneal_strategy="linear")
    peak = total // 2 - 1
    counts = jnp.array([peak - 1, peak, peak + 1, total - 1])
    rates = jax.vmap(cycle)(counts)
    np.testing.assert_array_equal(rates[1], 1)
    np.testing.assert_allclose(rates[3], 4e-6, rtol=1e-6)


def test_all_numbers_may_be_traced():
    @jax.jit
    @jax.vmap
    def rates(lr, total, part):
        cycle = schedules.one_cycle_lr(lr, total, pct_start=part)
        assert cycle.momentum is not None
        return [cycle(0), cycle(4), cycle(9), cycle.momentum(4)]

    lanes = jnp.array([1.0, 2.0]), jnp.array([10, 20]), jnp.array([0.5, 0.25])
    first, high, low, momentum = rates(*lanes)
    np.testing.assert_allclose(first, [0.04, 0.08], rtol=1e-5)
    np.testing.assert_allclose(high, [1, 2], rtol=1e-5)
    np.testing.assert_allclose(momentum, 0.85, rtol=1e-5)
    np.testing.assert_allclose(low[0], 4e-6, rtol=1e-3)


def test_bad_arguments_are_named():
    def refused(match, **arguments):
        with pytest.raises(ValueError, match=match):
            schedules.one_cycle_lr(0.1, **arguments)

    refused("total_steps must be given, or both epochs and steps_per_epoch", epochs=3)
    refused("total_steps must be an integer of at least 1", total_steps=0)
    refused("epochs must be an integer of at least 1", epochs=2.5, steps_per_epoch=4)
    refused("steps_per_epoch must be an integer", epochs=2, steps_per_epoch=0)
    refused("pct_start must be at least 0 and at most 1", total_steps=9, pct_start=1.1)
    refused("pct_start must not be 1 / total_steps", total_steps=10, pct_start=0.1)
    refused("anneal_strategy must be one of", total_steps=9, anneal_strategy="sine")
    refused("div_factor must be more than 0", total_steps=9, div_factor=0.0)
    refused("final_div_factor must be more", total_steps=9, final_div_factor=-1.0)
    with pytest.raises(ValueError, match="max_lr must be at least 0"):
        schedules.one_cycle_lr(-0.1, 10)
