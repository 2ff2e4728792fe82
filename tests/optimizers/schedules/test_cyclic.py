import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funclearn.optimizers import schedules


def test_rates_and_momenta_are_pytorch_s(recorded, float64):
    made = recorded.check("cyclic_lr")
    assert made["cyclic, jumping"].momentum is None
    assert sum(name.endswith("/momentum") for name in made) == 5


def test_rates_in_single_precision(recorded):
    recorded.check("cyclic_lr")


def test_cycles_are_exact_in_single_precision():
    """Of steps that float32 has no integers for."""
    cycle = schedules.cyclic_lr(0.0, 1.0, 2**24 + 1, mode="triangular2")
    counts = jnp.array([2**24 + 1, 2**25 + 2, 3 * 2**24 + 3])
    np.testing.assert_array_equal(jax.vmap(cycle)(counts), [1, 0, 0.5])


def test_all_numbers_may_be_traced():
    @jax.jit
    @jax.vmap
    def rates(low, high, up):
        cycle = schedules.cyclic_lr(low, high, up, up, mode="exp_range", gamma=low)
        assert cycle.momentum is not None
        return cycle(3), cycle.momentum(3)

    rate, momentum = rates(
        jnp.array([0.5, 1.0]), jnp.array([1.5, 2.0]), np.array([2, 3])
    )
    np.testing.assert_allclose(rate, [0.5 + 0.5**4, 2], rtol=1e-6)
    np.testing.assert_allclose(momentum, [0.9 - 0.1 * 0.5**4, 0.8], rtol=1e-6)


def test_bad_arguments_are_named(plain_annotations):
    def refused(match, error: type[Exception] = ValueError, **arguments):
        with pytest.raises(error, match=match):
            schedules.cyclic_lr(**{"base_lr": 0.1, "max_lr": 0.2, **arguments})

    refused("base_lr must be at least 0", base_lr=-0.1)
    refused("max_lr must be at least 0", max_lr=-0.1)
    refused("step_size_up must be an integer of at least 1", step_size_up=0)
    refused("step_size_down must be an integer of at least 0", step_size_down=-1)
    refused("mode must be one of 'triangular', 'triangular2'", mode="square")
    refused("scale_mode must be one of 'cycle', 'iterations'", scale_mode="epoch")
    refused("scale_fn must be a function of the count", TypeError, scale_fn=2.0)
