"""How a run went is read off its losses, and its states are made once more."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from funclearn.diagnosis._course import course_of, state_before
from funclearn.training import TrainState, fit, init_state, make_train_step

KEY = jax.random.key(0)


@pytest.fixture
def final(made):
    """A run with given losses, and final parameters."""

    def make(losses, params=1.0):
        state = TrainState(jnp.float32(params), (), KEY, jnp.int32(0))
        return made(losses, state=state)

    return make


@pytest.mark.parametrize(
    "losses, params, finite, good, not_finite_epoch, diverged",
    [
        ([4.0, 2.0, 1.0], 1.0, 3, 3, None, False),
        ([4.0, 2.0, 9.0], 1.0, 3, 2, None, True),
        ([4.0, 2.0, np.nan, 1.0], 1.0, 2, 2, 3, True),
        ([np.inf, 2.0], 1.0, 0, 0, 1, True),
        ([4.0, 2.0], np.nan, 2, 2, 3, True),
    ],
)
def test_reads_losses(final, losses, params, finite, good, not_finite_epoch, diverged):
    found = course_of(final(losses, params))
    assert (found.finite, found.good) == (finite, good)
    assert (found.not_finite_epoch, found.diverged) == (not_finite_epoch, diverged)
    np.testing.assert_array_equal(found.losses, np.float32(losses))


@pytest.mark.parametrize(
    "planned, ran, expected",
    [(5, 5, 5), (100, 5, 100), (10**6, 5, 300), (900, 700, 700)],
)
def test_reruns_are_as_long_as_planned_within_reason(final, planned, ran, expected):
    run = final(np.ones(planned))._replace(epochs=np.asarray(ran, np.int32))
    assert course_of(run).rerun_epochs == expected


def quartic(params, batch, key):
    del key
    return jnp.mean(batch) * jnp.sum(params**4)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize("epoch", [0, 1, 4])
def test_makes_a_state_once_more(dtype, epoch):
    optimizer = optax.sgd(0.02)
    state = init_state(KEY, jnp.ones(2, dtype), optimizer)
    step = make_train_step(quartic, optimizer)
    data = jnp.ones(4, dtype)
    run = fit(step, state, data, epochs=6)
    found = state_before(epoch, course_of(run), step, state, data, None)
    expected = fit(step, state, data, epochs=max(epoch - 1, 1)).state
    if epoch < 2:
        expected = state
    np.testing.assert_array_equal(found.params, expected.params)


def test_refuses_another_start():
    optimizer = optax.sgd(0.02)
    state = init_state(KEY, jnp.ones(2), optimizer)
    step = make_train_step(quartic, optimizer)
    course = course_of(fit(step, state, jnp.ones(4), epochs=6))
    other = state._replace(params=2 * state.params)
    with pytest.raises(ValueError, match="those of the run"):
        state_before(3, course, step, other, jnp.ones(4), None)
