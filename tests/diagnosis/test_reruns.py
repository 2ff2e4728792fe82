"""A rerun differs from the run by what is changed, and by nothing else."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from funclearn.diagnosis._reruns import Change, Rerun, counts, learns
from funclearn.training import StepInfo, TrainState, init_state, make_train_step

KEY = jax.random.key(0)
START = jnp.float32([1.0, -2.0])


def bowl(params, batch, key):
    """Of the curvatures 2 and 6."""
    del key
    return jnp.mean(batch) * (params[0] ** 2 + 3 * params[1] ** 2)


def rerun(optimizer, epochs=40, batch_size=None):
    step = make_train_step(bowl, optimizer)
    state = init_state(KEY, START, optimizer)
    return Rerun(bowl, step, state, jnp.ones(4), epochs, batch_size)


# The largest stable rate is 2 / 6.
@pytest.mark.parametrize("scale, expected", [(1.0, False), (0.35, False), (0.3, True)])
def test_a_scale_is_another_rate(scale, expected):
    assert rerun(optax.sgd(1.0)).succeeds(Change(scale=scale)) is expected


def test_a_negative_scale_turns_the_steps_round():
    backwards = rerun(optax.sgd(-0.1))
    assert not backwards.succeeds()
    assert backwards.succeeds(Change(scale=-1.0))


def test_a_decay_is_given_back():
    optimizer = optax.chain(optax.sgd(0.1), optax.add_decayed_weights(-2.5))
    assert not rerun(optimizer).succeeds()
    assert rerun(optimizer).succeeds(Change(restored=2.5))


@pytest.mark.parametrize("make", [optax.sgd, optax.adam])
def test_a_schedule_is_held(make):
    rises = rerun(make(optax.exponential_decay(0.1, 5, 4.0)))
    assert not rises.succeeds()
    assert rises.succeeds(Change(held=True))


def test_a_schedule_held_at_nothing_has_not_learnt():
    rises = rerun(optax.sgd(optax.linear_schedule(0.0, 3.0, 20)))
    assert not rises.succeeds(Change(held=True))


@pytest.mark.parametrize(
    "kind, rate", [("gradient", 0.1), ("sign", 0.2), ("norm", 0.2)]
)
def test_the_right_gradient_with_steps_as_large(kind, rate):
    wrong = rerun(optax.sgd(-1.0))
    assert wrong.with_autodiff(kind, rate).succeeds()
    assert not wrong.with_autodiff(kind, 100.0).succeeds()


def test_parameters_that_are_not_finite_count():
    def step(state, batch):
        unused = jnp.append(state.params[:-1], jnp.inf)
        info = StepInfo(bowl(state.params, batch, KEY), state.params)
        return state._replace(params=0.5 * unused), info

    start = TrainState(jnp.ones(3), (), KEY, jnp.int32(0))
    assert not Rerun(bowl, step, start, jnp.ones(4), 9, None).succeeds()


def test_the_first_batch():
    assert rerun(optax.sgd(0.1), batch_size=3).first_batch().shape == (3,)
    assert rerun(optax.sgd(0.1)).first_batch().shape == (4,)


FALL = np.geomspace(1.0, 0.1, 40)


@pytest.mark.parametrize(
    "losses, moves, stays",
    [
        (FALL, True, True),
        (FALL[::-1], False, False),
        (np.append(FALL, np.nan), False, False),
        (np.ones(40), False, True),
        (np.where(np.arange(40) % 2, 5.0, 1.0), False, False),
        (-FALL, False, False),
        (-FALL[::-1], True, True),
        ([1.0, 0.5], True, True),
    ],
)
def test_learns(losses, moves, stays):
    losses = np.asarray(losses)
    assert (learns(losses), learns(losses, moves=False)) == (moves, stays)


def test_counts_are_those_of_schedules_alone():
    schedule = optax.constant_schedule(0.1)
    optimizer = optax.chain(optax.adam(schedule), optax.sgd(schedule))
    state = optimizer.init(START)
    seen = []
    counts(state, state, lambda count, _: seen.append(count) or count)
    assert len(seen) == 2
