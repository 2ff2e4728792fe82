import jax.numpy as jnp

from funclearn.optimizers import schedules


def test_it_is_the_rate_and_has_the_momentum():
    both = schedules.CycledSchedule(
        lambda count: jnp.asarray(0.5 * count), lambda count: jnp.asarray(1.5 * count)
    )
    assert both.momentum is not None
    assert (both(4), both.momentum(4), both.lr(4)) == (2, 6, 2)
