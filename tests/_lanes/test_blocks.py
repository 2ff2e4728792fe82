"""Lanes in blocks."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import funclearn as fl
from funclearn import stopping
from funclearn._lanes import _blocks as blocks
from funclearn.sweeps import map_blocks, sweep

KEY = jax.random.key(0)

START = fl.models.LinearParams(jnp.ones(()), jnp.zeros(()))

READINGS, _ = fl.data.standardise(fl.data.thermometer())

SINE = fl.data.noisy_sine(KEY, 8)

RATES = np.logspace(-4, -2.2, 12).astype(np.float32)


def descend(learning_rate, start=1.0, steps=20):
    """Gradient descent on x² / 2, which multiplies x by 1 - rate at every step."""
    return jax.lax.fori_loop(0, steps, lambda _, x: x - learning_rate * x, start)


def train(model, params, data, optimizer=optax.sgd, **how):
    """Makes a run that returns parameters, losses, epochs and the reason."""
    objective = fl.make_objective(model, fl.losses.mse)

    def run(learning_rate):
        update = optimizer(learning_rate)
        step = fl.make_train_step(objective, update)
        ran = fl.fit(step, fl.init_state(KEY, params, update), data, **how)
        return ran.state.params, ran.history, ran.epochs, ran.reason

    return run


def with_network(model, **how):
    return train(model, model.init(KEY), SINE, **how)


RULE = stopping.target(30.0) | stopping.diverged(10.0)

RUNS = {
    "line": train(fl.models.linear, START, READINGS, epochs=200),
    "line that stops": train(fl.models.linear, START, READINGS, epochs=200, stop=RULE),
    "line by Adam": train(fl.models.linear, START, READINGS, optax.adam, epochs=100),
    "minibatches": train(
        fl.models.linear, START, READINGS, epochs=10, batch_size=4, stop=RULE
    ),
    "small network": with_network(fl.models.mlp((1, 4, 1)), epochs=30),
    "wide network": with_network(fl.models.wide_net, epochs=10),
    "deep network": with_network(fl.models.mlp((1, 48, 48, 1)), epochs=10),
}


def equal(one, other):
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return all(np.array_equal(a, b, equal_nan=True) for a, b in pairs)


def rows(tree, index):
    return jax.tree.map(lambda leaf: leaf[index], tree)


def test_effects_show_no_padding(capfd):
    def run(number):
        jax.debug.print("lane {}", number)
        return number

    sweep(run, {"number": np.arange(3)})
    jax.effects_barrier()
    assert sorted(capfd.readouterr().out.split()) == ["0", "1", "2", *["lane"] * 3]


@pytest.fixture(scope="module")
def swept():
    def run(learning_rate, momentum):
        loss = jnp.where(learning_rate > 5e-3, jnp.nan, (learning_rate - momentum) ** 2)
        return {"loss": loss, "history": loss * jnp.ones(4)}

    return sweep(run, {"learning_rate": RATES, "momentum": [0.0, 0.01, 0.9]})


@pytest.mark.parametrize("name", RUNS)
def test_bits_of_a_lane_depend_on_no_other_lane(name):
    run = RUNS[name]
    result = sweep(run, {"learning_rate": RATES}).result
    backwards = sweep(run, {"learning_rate": RATES[::-1]}).result
    assert equal(result, rows(backwards, slice(None, None, -1)))
    alone = sweep(run, {"learning_rate": RATES[7:8]}).at(learning_rate=0).result
    assert equal(rows(result, 7), alone)
    many = sweep(run, {"learning_rate": np.tile(RATES, 11)}).result
    assert equal(result, rows(many, slice(-12, None)))


@pytest.mark.parametrize("name", RUNS)
def test_lane_is_the_run_alone_but_for_roundings(name):
    run = RUNS[name]
    result = sweep(run, {"learning_rate": RATES}).result
    alone = jax.tree.map(lambda *lanes: np.stack(lanes), *map(jax.jit(run), RATES))
    assert equal(result[2:], alone[2:])
    for one, other in zip(
        jax.tree.leaves(result[:2]), jax.tree.leaves(alone[:2]), strict=True
    ):
        scale = np.nanmax(np.abs(other), initial=0, where=np.isfinite(other))
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4 * scale)


@pytest.mark.parametrize("block_size", [1, 5, 12, 100])
def test_block_size_changes_roundings_at_most(block_size):
    swept = sweep(descend, {"learning_rate": RATES}, block_size=block_size)
    np.testing.assert_allclose(swept.result, (1 - RATES) ** 20, rtol=1e-5)


def test_neighbours_bring_like_fractions_together():
    values = {"momentum": jnp.array([0.9, 0.0]), "seed": jnp.arange(3)}
    positions = dict(zip(values, np.indices((2, 3)), strict=True))
    order = blocks._lanes(values, positions).neighbours()
    assert order.tolist() == [3, 4, 5, 0, 1, 2]


def test_one_function_is_traced_once():
    traces = []

    def run(learning_rate):
        traces.append(learning_rate)
        return descend(learning_rate)

    for n_lanes in (1, 12, 300):
        sweep(run, {"learning_rate": np.linspace(0, 1, n_lanes)})
    assert len(traces) == 1


def test_map_blocks_takes_values_in_order_or_by_position():
    values = {"start": jnp.arange(5.0), "learning_rate": jnp.linspace(0, 1, 5)}
    every = map_blocks(descend, values)
    np.testing.assert_allclose(every, np.arange(5) * (1 - np.linspace(0, 1, 5)) ** 20)
    chosen = map_blocks(
        descend,
        values,
        {"start": np.array([[4], [2]]), "learning_rate": np.array([[0], [0]])},
        static={"steps": 3},
    )
    np.testing.assert_array_equal(chosen, [[4.0], [2.0]])
    assert math.prod(chosen.shape) == 2


def test_large_model_alone_in_a_block_has_the_bits_of_the_run():
    run = RUNS["deep network"]
    result = sweep(run, {"learning_rate": RATES[:2]}, block_size=1).result
    assert equal(rows(result, 1), run(RATES[1]))
