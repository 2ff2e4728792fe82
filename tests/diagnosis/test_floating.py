"""Parameters that have no gradient are carried beside those that have one."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from funclearn.diagnosis._floating import floating_leaves, only_floating
from funclearn.training import StepInfo, TrainState

KEY = jax.random.key(0)


def objective(params, batch, key):
    del key
    return jnp.mean((batch[:, params["columns"]] @ params["w"]) ** 2)


def step(state, batch):
    """Gradient descent, and one column further at every step."""
    loss, slope = jax.value_and_grad(
        lambda w: objective(state.params | {"w": w}, batch, KEY)
    )(state.params["w"])
    params = {
        "columns": state.params["columns"] + 1,
        "w": state.params["w"] - 0.1 * slope,
    }
    return state._replace(params=params), StepInfo(loss, slope)


def test_the_same_steps_without_the_integers():
    params = {"columns": jnp.array([0, 1]), "w": jnp.array([1.0, -2.0])}
    state = TrainState(params, (), KEY, jnp.int32(0))
    batch = jnp.arange(8.0).reshape(2, 4)
    found = only_floating(objective, step, state)
    start = found.of(state)
    assert [leaf.dtype for leaf in start.params] == ["float32"]
    loss = found.objective(start.params, batch, KEY)
    assert loss == objective(params, batch, KEY)
    one, _ = found.train_step(start, batch)
    two, _ = found.train_step(one, batch)
    expected = step(step(state, batch)[0], batch)[0].params
    jax.tree.map(np.testing.assert_array_equal, two.params, [expected["w"]])
    jax.tree.map(
        np.testing.assert_array_equal, two.opt_state, ((), [expected["columns"]])
    )


def test_floating_parameters_are_left_as_they_are():
    state = TrainState({"w": jnp.ones(2)}, (), KEY, jnp.int32(0))
    found = only_floating(objective, step, state)
    assert found.objective is objective
    assert found.train_step is step
    assert found.of(state) is state


def test_floating_leaves_are_no_integers_and_no_keys():
    leaves = floating_leaves((KEY, jnp.arange(2), jnp.ones(3), jnp.ones(1, jnp.bool_)))
    assert [leaf.shape for leaf in leaves] == [(3,)]


@pytest.mark.parametrize("averages", [{}, {"ema": 0.5}], ids=["plain", "ema"])
@pytest.mark.slow
def test_what_a_model_notes_is_none_of_the_parameters(averages, fl):
    """A running mean moves against no gradient, and must not be blamed."""
    notes = {"mean": jnp.zeros(2), "steps": jnp.zeros((), jnp.int32)}

    def train(params, inputs, key):
        del key
        mean = jnp.mean(inputs, axis=0)
        after = {
            "mean": 0.5 * params.notes["mean"] + 0.5 * mean,
            "steps": params.notes["steps"] + 1,
        }
        return (inputs - mean[None]) @ params.params, after

    model = fl.Model(
        lambda key: fl.models.Noted(jnp.zeros(2), notes),
        lambda params, inputs: (inputs - params.notes["mean"][None]) @ params.params,
        train,
    )
    inputs = np.array([[1.0, 5], [2, -1], [6, 2], [3, 3]], np.float32)
    rows = fl.Dataset(jnp.asarray(inputs), jnp.array([1.0, 2.0, -1.0, 0.5]))
    centred = inputs - inputs.mean(axis=0)
    largest = np.linalg.eigvalsh(2 * centred.T @ centred / 4)[-1]
    objective = fl.make_objective(model, fl.losses.mse)
    rate = float(5 / largest)
    optimizer = optax.sgd(rate)
    state = fl.init_state(KEY, model.init(KEY), optimizer)
    step = fl.make_train_step(objective, optimizer, **averages)
    run = fl.fit(step, state, rows, epochs=40)
    found = fl.diagnosis.explain_divergence(
        run, objective, step, state, rows, learning_rate=rate
    )
    assert found.cause == "learning rate"
    np.testing.assert_allclose(found.limit, 2 / largest, rtol=1e-4)
    assert found.tested < found.limit
    assert isinstance(found.last_good_params, fl.models.Noted)
