"""Rules on the number of epochs."""

import math

import jax
import jax.numpy as jnp


def test_never_stops_at_no_epoch(fl, replay):
    run = replay([math.nan, 1.0, 1.0], stop=fl.stopping.never())
    assert (int(run.epochs), run.reason.name) == (3, "epochs")
    assert (
        replay([1.0], stop=fl.stopping.never() & fl.stopping.max_epochs(1)).epochs == 1
    )


def test_the_number_of_epochs_may_be_traced(fl, replay):
    def ran(epochs):
        return replay([1.0, 2.0, 3.0], stop=fl.stopping.max_epochs(epochs)).epochs

    assert jax.vmap(ran)(jnp.array([1, 2, 3, 4])).tolist() == [1, 2, 3, 3]
