"""A deadline around chunks of a run, with a clock that the test winds."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest


@pytest.fixture(scope="module")
def setting():
    """What `fit` needs for a line through the scaled thermometer."""
    import funclearn as fl

    data, _ = fl.data.standardise(fl.data.thermometer())
    optimizer = optax.adam(0.1)
    objective = fl.make_objective(fl.models.linear, fl.losses.mse)
    params = fl.models.LinearParams(jnp.ones(()), jnp.zeros(()))
    state = fl.init_state(jax.random.key(0), params, optimizer)
    return fl.make_train_step(objective, optimizer), state, data


def within(setting, seconds, *, epochs, chunk, **options):
    from funclearn.running import fit_within

    ticks = itertools.count()
    return fit_within(
        seconds,
        *setting,
        epochs=epochs,
        chunk=chunk,
        clock=lambda: float(next(ticks)),
        **options,
    )


def same_bits(one, other):
    jax.tree.map(np.testing.assert_array_equal, one.params, other.params)
    jax.tree.map(np.testing.assert_array_equal, one.opt_state, other.opt_state)


@pytest.mark.parametrize("chunk", [1, 3, 7, 40])
def test_with_time_enough_it_is_fit(setting, chunk):
    import funclearn as fl

    step, state, data = setting
    whole = fl.fit(step, state, data, epochs=20)
    run = within(setting, 100.0, epochs=20, chunk=chunk)
    same_bits(run.state, whole.state)
    np.testing.assert_array_equal(run.history.loss, whole.history.loss)
    assert (int(run.epochs), run.reason.name) == (20, "epochs")


def test_out_of_time_is_a_reason_and_the_rest_is_blank(setting):
    import funclearn as fl

    step, state, data = setting
    run = within(setting, 2.5, epochs=20, chunk=4)  # the clock ticks once a chunk
    part = fl.fit(step, state, data, epochs=12)
    assert (int(run.epochs), run.reason.name) == (12, "deadline")
    same_bits(run.state, part.state)
    assert run.history.loss.shape == (20,)
    np.testing.assert_array_equal(run.history.loss[:12], part.history.loss)
    assert np.isnan(run.history.loss[12:]).all()


def test_rules_keep_counting_across_chunks(setting):
    import funclearn as fl

    step, state, data = setting
    rule = fl.stopping.max_epochs(9) | fl.stopping.diverged()
    whole = fl.fit(step, state, data, epochs=20, stop=rule)
    run = within(setting, 100.0, epochs=20, chunk=4, stop=rule)
    assert (int(run.epochs), run.reason.name) == (9, "max_epochs")
    same_bits(run.state, whole.state)
    np.testing.assert_array_equal(run.history.loss, whole.history.loss)


def test_a_rule_that_fires_in_time_is_not_a_deadline(setting):
    import funclearn as fl

    run = within(setting, 1.5, epochs=20, chunk=8, stop=fl.stopping.max_epochs(16))
    assert run.reason.name == "max_epochs"


def test_no_epochs(setting):
    run = within(setting, 1.0, epochs=0, chunk=4)
    assert (int(run.epochs), run.reason.name) == (0, "epochs")
    assert run.history.loss.shape == (0,)


@pytest.mark.parametrize(
    "seconds, chunk, message",
    [(0.0, 1, "seconds must be positive; got 0"), (1.0, 0, "chunk must be at least 1")],
)
def test_bad_settings_are_refused(setting, seconds, chunk, message):
    with pytest.raises(ValueError, match=message):
        within(setting, seconds, epochs=3, chunk=chunk)
