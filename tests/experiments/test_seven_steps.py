"""The seven steps against closed forms: on x² a step multiplies x by 1 - 2 rate."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import funclearn as fl
from experiments import seven_steps
from experiments.seven_steps import Config
from experiments.seven_steps.chapter import learn, learn_until_stopped, loss, study


def rows(config, title):
    tables = {table.title: table.rows for table in seven_steps.run(config).tables}
    (found,) = (rows for name, rows in tables.items() if name.startswith(title))
    return found


@pytest.mark.parametrize(
    "rate, verdict, reason",
    [
        (0.001, "crawls", "out of time"),
        (0.1, "works", "good enough"),
        (0.9, "works", "good enough"),
        (1.0, "bounces for ever", "out of time"),
        (1.1, "blows up", "getting worse"),
    ],
)
def test_learning_rates_do_what_the_closed_form_says(rate, verdict, reason):
    config = Config(learning_rates=(rate,), weight_counts=(1,))
    ((_, did, stop, being, last_x, last_loss),) = rows(config, "Learning rates")
    x = 3 * (1 - 2 * rate) ** np.arange(config.epochs)
    first = {
        "good enough": np.argmax(x**2 <= config.good_enough) + 1,
        "getting worse": 2,
        "out of time": config.epochs,
    }
    assert (did, being, stop) == (verdict, reason, first[reason])
    assert last_x == pytest.approx(x[-1], rel=1e-4)
    assert last_loss == pytest.approx(x[-1] ** 2, rel=1e-4)


def test_the_rule_ends_the_run_where_it_says():
    config = Config(learning_rates=(0.1, 1.1, 0.001))
    for descent in study(config).descents:
        run = learn_until_stopped(descent.learning_rate, config)
        kept = run.history.loss[: descent.stop]
        assert run.epochs == descent.stop
        np.testing.assert_allclose(kept, descent.losses[: descent.stop], rtol=1e-5)
        assert np.isnan(run.history.loss[descent.stop :]).all()


def test_seven_steps_are_those_of_fit():
    start = jnp.array([3.0, -5.0, 12.0])
    optimizer = optax.sgd(0.1)
    step = fl.make_train_step(lambda weights, batch, key: loss(weights), optimizer)
    state = fl.init_state(jax.random.key(0), start, optimizer)
    run = fl.fit(step, state, jnp.zeros(1), epochs=10)
    last, (_, losses) = jax.jit(learn, static_argnums=2)(start, 0.1, 10)
    np.testing.assert_allclose(last, run.state.params, rtol=1e-6)
    np.testing.assert_allclose(losses, run.history.loss, rtol=1e-6)


@pytest.mark.slow
def test_nudging_evaluates_the_loss_twice_a_weight():
    config = Config(weight_counts=(1, 2, 20))
    for count, gradient, nudging, difference in rows(config, "The price"):
        assert nudging == 2 * count + 1
        # n squares and n - 1 sums are a loss; the derivative doubles n weights.
        assert gradient == (3 * count - 1) / (2 * count - 1)
        assert difference < 1e-5


def test_integers_are_refused_by_both():
    refusals = dict(rows(Config(weight_counts=(1,)), "The gradient of a"))
    assert len(refusals) == 2
    for refusal in refusals.values():
        assert "int" in refusal and "no refusal" not in refusal


def test_no_epochs_are_refused():
    with pytest.raises(ValueError, match="epochs must be from 1 to 1000000; got 0"):
        seven_steps.run(seven_steps.Config(epochs=0))
