"""Rules of one's own."""

import jax
import jax.numpy as jnp
import optax
import pytest


@pytest.fixture(scope="module")
def fl():
    import funclearn

    return funclearn


@pytest.fixture(scope="module")
def problem(fl):
    key = jax.random.key(1)
    train, validation = fl.data.split(key, fl.data.thermometer())
    train, scaler = fl.data.standardise(train)
    objective = fl.make_objective(fl.models.linear, fl.losses.mse)
    evaluate = fl.make_evaluation(fl.models.linear, fl.losses.mse)

    def run(learning_rate, stop, epochs=120, weight=0.5):
        optimizer = optax.sgd(learning_rate)
        params = fl.models.LinearParams(weight, 0.0)
        state = fl.init_state(key, params, optimizer)
        step = fl.make_train_step(objective, optimizer)
        return fl.fit(
            step,
            state,
            train,
            scaler(validation),
            epochs=epochs,
            evaluate=evaluate,
            stop=stop,
        )

    return run


def test_a_rule_of_ones_own_may_use_the_shape_of_the_gradient_alone(fl, problem):
    seen = []

    def condition(seen_of_epoch):
        seen.append(jax.tree.map(jnp.shape, seen_of_epoch.grads))
        return seen_of_epoch.epoch >= len(jax.tree.leaves(seen_of_epoch.grads))

    run = problem(0.05, fl.stopping.when("as many as parameters", condition))
    assert int(run.epochs) == 2
    assert all(shapes == fl.models.LinearParams((), ()) for shapes in seen)


def test_a_condition_that_is_not_scalar_is_refused(fl, problem):
    rule = fl.stopping.when("two", lambda seen: jnp.array([True, False]))
    with pytest.raises(ValueError, match=r"when\('two', ...\).*shape \(2,\)"):
        problem(0.05, rule)
