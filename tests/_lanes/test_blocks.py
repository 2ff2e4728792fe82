"""Lanes in blocks."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funclearn._lanes import _blocks as blocks
from funclearn.sweeps import map_blocks, sweep
from tests.runs import RATES, RUNS, descend, equal, rows, run_of


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
@pytest.mark.slow
def test_bits_of_a_lane_depend_on_no_other_lane(name):
    run = run_of(name)
    result = sweep(run, {"learning_rate": RATES}).result
    backwards = sweep(run, {"learning_rate": RATES[::-1]}).result
    assert equal(result, rows(backwards, slice(None, None, -1)))
    alone = sweep(run, {"learning_rate": RATES[7:8]}).at(learning_rate=0).result
    assert equal(rows(result, 7), alone)
    many = sweep(run, {"learning_rate": np.tile(RATES, 11)}).result
    assert equal(result, rows(many, slice(-12, None)))


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.slow
def test_lane_is_the_run_alone_but_for_roundings(name):
    run = run_of(name)
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


def test_map_blocks_refuses_integers_that_jax_cannot_hold():
    with pytest.raises(ValueError, match="start must fit into JAX's int32"):
        map_blocks(
            descend, {"start": np.array([1, 2**40]), "learning_rate": np.ones(2)}
        )


def test_large_model_alone_in_a_block_has_the_bits_of_the_run():
    run = run_of("deep network")
    result = sweep(run, {"learning_rate": RATES[:2]}, block_size=1).result
    assert equal(rows(result, 1), run(RATES[1]))
