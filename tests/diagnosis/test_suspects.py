"""A cause is convicted by a rerun without it, and by nothing else."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from funclearn.diagnosis._divergence import DivergenceCause
from funclearn.diagnosis._probes import Law, Probes
from funclearn.diagnosis._reruns import Rerun
from funclearn.diagnosis._suspects import (
    by_experiment,
    scale_that_learns,
    without_bound,
)
from funclearn.training import TrainState, init_state, make_train_step

KEY = jax.random.key(0)
START = jnp.float32([1.0, -2.0])
RIGHT = Probes(1.0, 0.0, 1.0, uphill=False, turned=(1,), overflows=False, law=None)


def bowl(params, batch, key):
    """Of the curvatures 2 and 6."""
    del key
    return jnp.mean(batch) * (params[0] ** 2 + 3 * params[1] ** 2)


def rerun(optimizer, objective=bowl):
    step = make_train_step(objective, optimizer)
    state = init_state(KEY, START, optimizer)
    return Rerun(objective, step, state, jnp.ones(4), 40, None)


@pytest.mark.parametrize("first, expected", [(None, 0.25), (0.3, 0.3), (0.9, 0.25)])
def test_the_largest_part_that_learns(first, expected):
    assert scale_that_learns(rerun(optax.sgd(1.0)), first) == expected


def test_steps_that_are_turned_round_may_keep_their_rate():
    assert scale_that_learns(rerun(optax.sgd(-0.1)), None, sign=-1) == 1.0
    assert scale_that_learns(rerun(optax.sgd(-1.0)), None, sign=-1) == 0.25


def test_none_where_no_rate_learns():
    assert scale_that_learns(rerun(optax.sgd(-0.1)), None) is None


@pytest.mark.parametrize(
    "rate, probes, cause, scale",
    [
        (1.0, RIGHT, DivergenceCause.LEARNING_RATE, 0.25),
        # Whatever the gradient looked like, it is the rate that helps.
        (1.0, RIGHT._replace(differs=1.0), DivergenceCause.LEARNING_RATE, 0.25),
        (-0.1, RIGHT, DivergenceCause.CANNOT_TELL, None),
        (-0.1, RIGHT._replace(overflows=True), DivergenceCause.LEARNING_RATE, None),
        (-0.1, RIGHT._replace(uphill=True), DivergenceCause.UPHILL, None),
        (-0.1, RIGHT._replace(differs=1.0), DivergenceCause.WRONG_GRADIENT, None),
        (-0.1, RIGHT._replace(slope=-1.0), DivergenceCause.SIGN, None),
        # A decay that was measured, but does not help.
        (
            1.0,
            RIGHT._replace(law=Law("gradient", 1.0, 1e-3)),
            DivergenceCause.LEARNING_RATE,
            0.25,
        ),
    ],
)
def test_convicts_by_experiment(rate, probes, cause, scale):
    found = by_experiment(rerun(optax.sgd(rate)), probes, None)
    assert (found.cause, found.scale) == (cause, scale)


def test_the_right_gradient_convicts_the_wrong_one():
    law = Law("gradient", 0.1, 0.0)
    wrong = RIGHT._replace(differs=2.0, law=law)
    found = by_experiment(rerun(optax.sgd(-0.1)), wrong, None)
    assert (found.cause, found.repaired) == (DivergenceCause.WRONG_GRADIENT, 1.0)


@pytest.mark.parametrize(
    "function, expected",
    [
        (lambda p: -jnp.sum(p**2), True),
        (lambda p: jnp.sum(p**3), True),
        (lambda p: jnp.sum(p), True),
        (lambda p: jnp.sum((p + 50) ** 2) - 9e3, False),
        (lambda p: jnp.sum(jnp.exp(p)), False),
        (lambda p: jnp.sum(jnp.tanh(p)) - 5, False),
    ],
)
def test_what_falls_for_ever(function, expected):
    def objective(params, batch, key):
        del batch, key
        return function(params)

    start, end = (
        TrainState(jnp.full(2, x), (), KEY, jnp.int32(0)) for x in (-1.0, -3.0)
    )
    assert without_bound(objective, start, end, np.ones(2)) is expected
