"""Bits that do not depend on what surrounds an epoch."""

import os

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from funclearn import _xla
from funclearn.training._units import as_unit


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


def test_a_stop_by_the_parameters_is_the_run_of_as_many_epochs(fl, problem):
    rule = fl.stopping.relative_change(1e-2, on="parameters")
    stopped = problem(0.05, rule)
    epochs = int(stopped.epochs)
    assert 1 < epochs < 120
    cut = problem(0.05, rule, epochs=epochs)
    jax.tree.map(np.testing.assert_array_equal, stopped.state.params, cut.state.params)
    plain = problem(0.05, None, epochs=epochs)
    for one, other in zip(stopped.state.params, plain.state.params, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


def momentum(rate):
    return optax.sgd(rate, momentum=0.9)


@pytest.mark.skipif(
    os.environ.get("FUNCLEARN_PLAIN", "0") not in ("", "0"),
    reason="these bits need calls that XLA does not inline",
)
@pytest.mark.parametrize(
    "degree, optimizer, validated, rule",
    [
        (1, optax.sgd, False, lambda s: s.relative_change(1e-2)),
        (1, optax.adam, True, lambda s: s.target(10.0) | s.max_epochs(23)),
        (1, momentum, True, lambda s: s.patience(5)),
        (2, optax.sgd, True, lambda s: s.patience(5) | s.diverged()),
        (2, momentum, False, lambda s: s.target(10.0)),
        (2, momentum, True, lambda s: s.when("cold", lambda seen: seen.loss < 20)),
    ],
)
@pytest.mark.slow
def test_a_stop_has_the_bits_of_a_run_without_a_rule(
    fl, degree, optimizer, validated, rule
):
    model = fl.models.polynomial(degree) if degree > 1 else fl.models.linear
    train, validation = fl.data.split(jax.random.key(0), fl.data.thermometer())
    train, scale = fl.data.standardise(train)
    optimizer = optimizer(0.02)
    step = fl.make_train_step(fl.make_objective(model, fl.losses.mse), optimizer)
    state = fl.init_state(jax.random.key(0), model.init(jax.random.key(0)), optimizer)
    how = {}
    if validated:
        evaluate = fl.make_evaluation(model, fl.losses.mse)
        how = {"validation": scale(validation), "evaluate": evaluate}

    def assert_same(one, other):
        for x, y in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
            np.testing.assert_array_equal(x, y)

    stopped = fl.fit(step, state, train, epochs=100, stop=rule(fl.stopping), **how)
    epochs = int(stopped.epochs)
    assert 1 < epochs < 100
    plain = fl.fit(step, state, train, epochs=epochs, **how)
    assert_same(stopped.state._replace(key=0), plain.state._replace(key=0))
    assert_same(jax.tree.map(lambda x: x[:epochs], stopped.history), plain.history)
    if validated:
        best = int(stopped.best.epoch) - 1
        before = fl.fit(step, state, train, epochs=best, **how).state.params
        assert_same(stopped.best.params, before)


def test_a_unit_returns_what_its_function_does():
    def function(state, scale):
        double = 2 * state["x"]
        return {"same": state["x"], "new": double * scale, "again": double}, (double, 3)

    state, scale = {"x": jnp.arange(3.0)}, jnp.float32(0.5)
    for transform in (lambda f: f, jax.jit, lambda f: jax.jit(jax.vmap(f, (0, None)))):
        wanted = transform(function)(state, scale)
        got = transform(as_unit(function))(state, scale)
        assert jax.tree.structure(got) == jax.tree.structure(wanted)
        jax.tree.map(np.testing.assert_array_equal, got, wanted)


def test_a_unit_is_one_call_and_returns_each_value_once():
    def function(x):
        double = 2 * x
        return x, double, double

    lowered = jax.jit(as_unit(function)).lower(jnp.ones(3)).as_text()
    assert lowered.count("call @") == (1 if _xla.may_keep_apart() else 0)
    jaxpr = jax.make_jaxpr(as_unit(function))(jnp.ones(3))
    if _xla.may_keep_apart():
        (call,) = jaxpr.eqns
        assert len(call.outvars) == 1


def test_a_unit_is_differentiable():
    def function(x):
        return jnp.sin(x) * x, x

    slope = jax.grad(lambda x: as_unit(function)(x)[0])(jnp.float32(0.7))
    np.testing.assert_allclose(slope, np.cos(0.7) * 0.7 + np.sin(0.7), rtol=1e-6)
