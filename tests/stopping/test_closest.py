"""Which rule is closest to firing."""

import jax
import jax.numpy as jnp
import optax
import pytest

import funclearn as fl
from funclearn.stopping import (
    closest,
    diverged,
    getting_worse,
    max_epochs,
    patience,
    target,
)

LOSSES = jnp.array([4.0, 3.0, 5.0, 6.0, 6.5, 2.0])


def watched(rule, epochs):
    """A run whose loss in its k-th epoch is the k-th of the losses."""
    step = fl.make_train_step(
        lambda w, batch, key: 0.0 * w + LOSSES[batch[0].astype(int)], optax.sgd(0.0)
    )

    def counting(state, batch):
        return step(state, state.step[None].astype(float))

    state = fl.init_state(jax.random.key(0), 1.0, optax.sgd(0.0))
    return fl.fit(counting, state, jnp.zeros(1), epochs=epochs, stop=rule).stop


@pytest.mark.parametrize(
    "rule, epochs, expected",
    [
        (max_epochs(8), 3, "max_epochs 3/8"),
        (patience(4), 4, "patience 2/4"),
        (patience(4), 2, "patience 0/4"),
        (getting_worse(5), 5, "getting_worse 3/5"),
        (max_epochs(100) | patience(10), 4, "patience 2/10"),
        (max_epochs(8) | (patience(10) & diverged()), 4, "max_epochs 4/8"),
        (patience(3, start=2), 4, "patience 1/3"),
        (diverged() | target(1.0), 3, None),
    ],
)
def test_it_is_counted_by_hand(rule, epochs, expected):
    assert closest(watched(rule, epochs)) == expected


def test_a_joined_rule_counts_for_each_side():
    earlier = watched(patience(4), 4)
    assert earlier is not None
    assert closest(earlier | max_epochs(3)) is None  # it has not watched as one yet
    later = watched(earlier | max_epochs(30), 2)
    assert closest(later) == "patience 4/4"  # 4 and 3 are no better than 3


def test_nothing_is_known_before_a_run():
    assert closest(None) is None
    assert closest(patience(3)) is None
