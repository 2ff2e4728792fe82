"""A pass over the rows."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import funclearn as fl
from funclearn.models import LinearParams

KEY = jax.random.key(0)

IDENTITY = LinearParams(jnp.float32(1), jnp.float32(0))

SGD = optax.sgd(0.1)


def start(optimizer=SGD, params=IDENTITY):
    return fl.init_state(KEY, params, optimizer)


def test_every_epoch_goes_through_all_rows_in_another_order():
    def show(state, batch):
        return state._replace(step=state.step + 1), fl.StepInfo(jnp.mean(batch), batch)

    orders = fl.fit(
        show,
        start(),
        jnp.arange(7.0),
        epochs=6,
        batch_size=7,
        record=lambda state, info, evaluation: info.grads,
    ).history
    assert np.array_equal(np.sort(orders, axis=1), np.tile(np.arange(7), (6, 1)))
    assert len(np.unique(orders, axis=0)) == 6


def show(state, batch):
    """A step that changes nothing and shows its rows; it counts no epochs."""
    info = fl.StepInfo(jnp.mean(batch), batch)
    return fl.TrainState(state.params, state.opt_state, state.key, state.step + 1), info


def orders(state, epochs, batch_size=7):
    run = fl.fit(
        show,
        state,
        jnp.arange(7.0),
        epochs=epochs,
        batch_size=batch_size,
        record=lambda state, info, evaluation: info.grads,
    )
    return run.state, np.asarray(run.history)


def documented_order(epoch):
    key = jax.random.fold_in(jax.random.fold_in(KEY, 1), epoch)
    return np.asarray(jax.random.permutation(key, 7))


def test_the_order_comes_from_key_and_epoch():
    _, seen = orders(start(), 3)
    np.testing.assert_array_equal(seen, [documented_order(epoch) for epoch in range(3)])


def test_another_batch_size_goes_on_with_new_orders():
    state, _ = orders(start(), 2, batch_size=2)
    assert (state.epoch, state.step) == (2, 8)
    state, seen = orders(state, 2)
    np.testing.assert_array_equal(seen, [documented_order(epoch) for epoch in (2, 3)])
    assert state.epoch == 4


def test_a_step_that_counts_nothing_repeats_no_order():
    def forget(state, batch):
        return state, fl.StepInfo(jnp.mean(batch), batch)

    run = fl.fit(
        forget,
        start(),
        jnp.arange(7.0),
        epochs=3,
        batch_size=7,
        record=lambda state, info, evaluation: info.grads,
    )
    assert (run.state.step, run.state.epoch) == (0, 3)
    np.testing.assert_array_equal(run.history, [documented_order(x) for x in range(3)])


@pytest.mark.parametrize("batch_size", [None, 1, 3, 7])
def test_the_loss_of_an_epoch_is_the_mean_over_its_rows(batch_size):
    run = fl.fit(show, start(), jnp.arange(7.0) ** 2, epochs=2, batch_size=batch_size)
    mean = np.mean(np.arange(7.0) ** 2)
    np.testing.assert_allclose(run.history.loss, mean, rtol=1e-6)
    assert run.state.epoch == 2
