"""A pass over the rows."""

from typing import Any, NamedTuple, cast

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


class Plateau(NamedTuple):
    rate: jax.Array
    best: jax.Array
    seen: jax.Array


def on_plateau(rate):
    """Halves the rate in every epoch whose validation loss is no new lowest one."""

    def init(params):
        del params
        return Plateau(jnp.float32(rate), jnp.float32(jnp.inf), jnp.int32(-1))

    def update(updates, state, params=None, *, evaluation=None, epoch=None, **more):
        del params, more
        assert evaluation is not None and epoch is not None
        loss = evaluation["loss"]
        worse = (epoch != state.seen) & ~(loss < state.best)
        after = Plateau(
            jnp.where(worse, state.rate / 2, state.rate),
            jnp.minimum(state.best, loss),
            jnp.int32(epoch),
        )
        return jax.tree.map(lambda leaf: -after.rate * leaf, updates), after

    return optax.GradientTransformationExtraArgs(init, update)


def mean(w, rows, key):
    return jnp.mean(jnp.square(w - rows))


def evaluate(w, rows):
    return {"loss": jnp.mean(jnp.abs(w - rows))}


ROWS, OTHERS = jnp.arange(6.0), jnp.array([2.0, 2.5])


def run_on_plateau(rate, state=None, epochs=8, batch_size=None):
    optimizer = optax.chain(optax.identity(), on_plateau(rate))
    step = fl.make_train_step(mean, optimizer)
    state = fl.init_state(KEY, 4.0, optimizer) if state is None else state
    return fl.fit(
        step,
        state,
        ROWS,
        OTHERS,
        epochs=epochs,
        batch_size=batch_size,
        evaluate=evaluate,
    )


def rate_of(run: Any) -> Any:
    return run.state.opt_state[1].rate


def plateau_by_hand(rate, epochs, batch_size):
    """The same as a plain loop: once an epoch, before the first update."""
    w, best, step = np.float64(4), np.inf, 0
    for epoch in range(epochs):
        loss = np.mean(np.abs(w - np.asarray(OTHERS)))
        rate = rate if loss < best else rate / 2
        best = min(best, loss)
        order = np.arange(6) if batch_size is None else documented_rows(epoch)
        for batch in np.split(order, range(batch_size or 6, 6, batch_size or 6)):
            w -= rate * 2 * np.mean(w - np.asarray(ROWS)[batch])
            step += 1
    return w, rate


def documented_rows(epoch):
    key = jax.random.fold_in(jax.random.fold_in(KEY, 1), epoch)
    return np.asarray(jax.random.permutation(key, 6))


@pytest.mark.parametrize("batch_size", [None, 2, 4])
def test_a_rate_is_reduced_by_the_validation_loss_once_an_epoch(batch_size):
    run = run_on_plateau(0.9, batch_size=batch_size)
    w, rate = plateau_by_hand(0.9, 8, batch_size)
    assert rate < 0.9
    np.testing.assert_allclose(rate_of(run), rate, rtol=1e-6)
    np.testing.assert_allclose(run.state.params, w, rtol=1e-4)
    half = run_on_plateau(0.9, epochs=4, batch_size=batch_size)
    whole = run_on_plateau(0.9, half.state, epochs=4, batch_size=batch_size)
    jax.tree.map(np.testing.assert_array_equal, whole.state[:2], run.state[:2])


def test_a_rate_is_reduced_in_every_lane_by_itself():
    rates = jnp.array([0.1, 0.5, 0.9])
    lanes = jax.vmap(lambda rate: rate_of(run_on_plateau(rate)))(rates)
    alone = [rate_of(run_on_plateau(rate)) for rate in rates]
    np.testing.assert_allclose(lanes, alone, rtol=1e-6)
    assert len(set(np.asarray(lanes / rates).round(4).tolist())) > 1


def test_who_needs_an_evaluation_is_told_that_there_is_none():
    def update(updates, state, params=None, *, evaluation):
        return updates, state

    optimizer = optax.chain(
        optax.GradientTransformationExtraArgs(lambda params: (), cast(Any, update))
    )
    step = fl.make_train_step(mean, optimizer)
    state = fl.init_state(KEY, 4.0, optimizer)
    with pytest.raises(TypeError, match="optimizer needs the keyword 'evaluation'"):
        fl.fit(step, state, ROWS, epochs=1)


def test_a_step_of_ones_own_takes_the_evaluation_or_leaves_it():
    def step(state, batch, *, evaluation=None):
        assert evaluation is not None
        params = state.params + evaluation["loss"]
        info = fl.StepInfo(jnp.mean(batch), state.params)
        return state._replace(params=params, step=state.step + 1), info

    # 2.25, the mean of the rows, and then at 2.25 itself 0.25.
    for one, expected in ((step, 2.5), (show, 0)):
        begun = start(params=jnp.float32(0))
        run = fl.fit(
            one, begun, ROWS, OTHERS, epochs=2, evaluate=evaluate, batch_size=6
        )
        assert float(run.state.params) == expected


@pytest.mark.slow
def test_rows_count_by_their_weights():
    """Whole weights are repeated rows, in one batch and in the mean over batches."""
    rows = fl.Dataset(jnp.array([1.0, 2.0, 3.0, 4.0, 9.0]), jnp.arange(5.0))
    weights = jnp.array([2, 1, 0, 3, 1])
    repeated = fl.data.take(rows, np.repeat(np.arange(5), weights))
    objective = fl.make_objective(fl.models.linear, fl.losses.mse)
    step = fl.make_train_step(objective, optax.sgd(0.01))
    weighed = fl.fit(step, start(), rows._replace(weights=weights), epochs=5)
    plain = fl.fit(step, start(), repeated, epochs=5)
    np.testing.assert_allclose(weighed.history.loss, plain.history.loss, rtol=1e-5)
    np.testing.assert_allclose(weighed.state.params, plain.state.params, rtol=1e-5)
    # Of steps that change nothing the mean over batches is that of all rows.
    still = fl.make_train_step(objective, optax.sgd(0.0))
    for size in (1, 2, 5):
        run = fl.fit(
            still,
            start(),
            rows._replace(weights=weights),
            epochs=2,
            batch_size=size,
        )
        np.testing.assert_allclose(run.history.loss, plain.history.loss[0], rtol=1e-5)
