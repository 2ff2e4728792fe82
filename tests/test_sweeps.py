"""Sweeps: named axes, one program, and bits that no other lane has a say in."""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import rich.console

import funclearn as fl
from funclearn import _xla, stopping
from funclearn._sweeps import blocks, compilation, host, small
from funclearn._sweeps.stages import cut
from funclearn.sweeps import Sweep, map_blocks, sweep

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


def test_product_has_an_axis_for_every_name_in_the_order_of_the_grid():
    starts = np.array([1.0, -2.0, 3.0], np.float32)
    swept = sweep(descend, {"start": starts, "learning_rate": RATES})
    assert swept.axes == (("start",), ("learning_rate",))
    assert swept.shape == (3, 12)
    expected = starts[:, None] * (1 - RATES[None, :].astype(float)) ** 20
    np.testing.assert_allclose(swept.result, expected, rtol=1e-5)


def test_zipped_values_share_an_axis():
    swept = sweep(descend, {"start": -RATES, "learning_rate": RATES}, zipped=True)
    assert swept.axes == (("start", "learning_rate"),)
    np.testing.assert_allclose(swept.result, -RATES * (1 - RATES) ** 20, rtol=1e-5)


def test_values_may_be_lists_pytrees_and_keys():
    def run(scale, params, key):
        drawn = jax.random.normal(key)
        return {
            "key": key,
            "value": scale * (params.weight + params.bias.sum()) + drawn,
        }

    params = fl.models.LinearParams(jnp.arange(3.0), jnp.ones((3, 2)))
    keys = jax.random.split(KEY, 2)
    swept = sweep(run, {"scale": [1.0, 10.0], "params": params, "key": keys})
    assert swept.shape == (2, 3, 2)
    expected = np.array([1.0, 10.0])[:, None] * (np.arange(3.0) + 2.0)[None, :]
    drawn = np.stack([jax.random.normal(key) for key in keys])
    np.testing.assert_allclose(
        swept.result["value"], expected[:, :, None] + drawn[None, None, :], rtol=1e-5
    )
    assert swept.result["key"].dtype == KEY.dtype
    assert jnp.all(swept.result["key"][1, 2] == keys)


@pytest.mark.parametrize("zipped", [False, True])
def test_static_values_have_programs_of_their_own(zipped):
    def run(degree, scale):
        assert isinstance(degree, int)
        return scale * jnp.ones(degree).sum()

    grid = {"scale": [1.0, 2.0, 5.0], "degree": [3, 1, 3]}
    swept = sweep(run, grid, zipped=zipped, static_argnames=["degree"])
    pairs = np.array([[s * d for d in grid["degree"]] for s in grid["scale"]])
    np.testing.assert_array_equal(swept.result, np.diag(pairs) if zipped else pairs)


def test_static_values_may_be_all_there_are():
    swept = sweep(
        lambda name: jnp.asarray(len(name)),
        {"name": ["a", "bcd"]},
        static_argnames=["name"],
    )
    assert swept.result.tolist() == [1, 3]
    assert swept.select(name="bcd").result == 3


def test_static_results_of_different_structure_are_refused():
    def run(width):
        return jnp.zeros(width)

    with pytest.raises(ValueError, match=r"run\(width=3\).* as in run\(width=2\)"):
        sweep(run, {"width": [2, 3]}, static_argnames=["width"])


@pytest.mark.parametrize(
    ("grid", "how", "message"),
    [
        ({}, {}, "at least one argument"),
        ({"start": np.ones(2), "steps": np.ones(3)}, {"zipped": True}, "in number"),
        ({"start": 1.0}, {}, "leading length"),
        ({"start": np.ones(0)}, {}, "at least one row"),
        ({"start": np.ones(2)}, {"static_argnames": ["width"]}, "must be in grid"),
        ({"start": np.ones(2)}, {"block_size": 0}, "at least 1"),
    ],
)
def test_bad_grids_are_refused(grid, how, message):
    with pytest.raises(ValueError, match=message):
        sweep(lambda start, **_: start, grid, **how)


def test_values_that_are_not_traced_must_be_named():
    with pytest.raises(TypeError, match="optimizer must hold arrays or numbers, or be"):
        sweep(lambda optimizer: 0, {"optimizer": ["sgd", "adam"]})


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


def test_selecting_takes_a_value_and_its_axis(swept):
    selected = swept.select(momentum=0.9)
    assert selected.axes == (("learning_rate",),)
    assert equal(selected.result, rows(swept.result, (slice(None), 2)))
    one = selected.select(learning_rate=float(RATES[3]) * (1 + 1e-7))
    assert one.shape == ()
    assert equal(one.result, rows(swept.result, (3, 2)))


def test_nearest_takes_the_nearest_value(swept):
    nearest = swept.nearest(learning_rate=RATES[4] * 1.1, momentum=100)
    assert equal(nearest.result, rows(swept.result, (4, 2)))


def test_nearest_takes_counts_that_have_no_sign():
    swept = sweep(lambda seed: seed, {"seed": np.array([3, 10], np.uint32)})
    assert swept.nearest(seed=4).result == 3
    assert swept.nearest(seed=-1).result == 3


def test_positions_count_from_both_ends(swept):
    assert equal(swept.at(momentum=-1).result, swept.select(momentum=0.9).result)


@pytest.mark.parametrize(
    ("method", "value", "error", "message"),
    [
        ("at", 3, IndexError, "a position from -3 to 2; got 3"),
        ("at", -4, IndexError, "a position from -3 to 2; got -4"),
        ("at", 1.0, TypeError, "an integer known at trace time; got 1.0"),
        ("at", True, TypeError, "an integer known at trace time; got True"),
        ("nearest", math.nan, ValueError, "a finite number; got nan"),
        ("nearest", -math.inf, ValueError, "a finite number; got -inf"),
        ("nearest", "x", TypeError, "a single number; got 'x'"),
        ("select", "x", TypeError, "a single number; got 'x'"),
        ("select", [1.0, 2.0], TypeError, r"a single number; got \[1.0, 2.0\]"),
    ],
)
def test_bad_places_are_refused(
    swept, method, value, error, message, plain_annotations
):
    with pytest.raises(error, match=f"momentum must be {message}"):
        getattr(swept, method)(momentum=value)


@pytest.mark.parametrize(
    ("method", "values", "message"),
    [
        ("select", {"momentum": 0.5}, r"\{'momentum': 0.5\} .* it is at \[\]"),
        ("select", {"decay": 0.5}, "it has learning_rate, momentum"),
        ("nearest", {"decay": 0.5}, "it has learning_rate, momentum"),
        ("at", {"decay": 0}, "it has learning_rate, momentum"),
    ],
)
def test_unknown_names_and_values_are_refused(swept, method, values, message):
    with pytest.raises(ValueError, match=message):
        getattr(swept, method)(**values)


def test_values_that_are_no_numbers_have_positions_only():
    swept = sweep(jax.random.normal, {"key": jax.random.split(KEY, 3)})
    with pytest.raises(ValueError, match="key holds no numbers"):
        swept.select(key=0)
    assert swept.at(key=1).result == swept.result[1]


def test_zipped_names_are_selected_together():
    grid = {"start": [1.0, 1.0, 2.0], "learning_rate": [0.1, 0.2, 0.2]}
    swept = sweep(descend, grid, zipped=True)
    with pytest.raises(ValueError, match=r"it is at \[0, 1\]"):
        swept.select(start=1.0)
    chosen = swept.select(start=1.0, learning_rate=0.2)
    assert chosen.result == swept.result[1]
    assert swept.at(start=1, learning_rate=-2).result == swept.result[1]


@pytest.mark.parametrize("method", ["at", "nearest"])
def test_zipped_names_at_different_positions_are_refused(method):
    swept = sweep(
        descend, {"start": [0.0, 1.0, 2.0], "learning_rate": RATES[:3]}, zipped=True
    )
    with pytest.raises(ValueError, match="must be at one position"):
        getattr(swept, method)(start=2, learning_rate=0)


def test_best_has_the_lowest_score_and_nan_never_has(swept):
    best = swept.best(by=lambda result: result["loss"])
    losses = np.asarray(swept.result["loss"])
    assert np.isnan(losses).any()
    where = np.unravel_index(np.nanargmin(losses), losses.shape)
    assert best.result["loss"] == losses[where]
    assert best.point["learning_rate"] == RATES[where[0]]
    assert best.point["momentum"] == swept.values["momentum"][where[1]]


def test_best_tells_static_values_and_needs_no_score_for_scalars():
    swept = sweep(
        lambda name: jnp.float32(len(name)),
        {"name": ["ab", "c"]},
        static_argnames=["name"],
    )
    assert swept.best() == ({"name": "c"}, 1.0)


@pytest.mark.parametrize(
    ("by", "message"),
    [
        (lambda result: result["history"], r"an array of shape \(4,\)"),
        (lambda result: result["loss"] * jnp.nan, "all of them are"),
        (lambda result: result, "a scalar; got a dict"),
    ],
)
def test_best_refuses_what_is_no_score(swept, by, message):
    with pytest.raises(ValueError, match=message):
        swept.best(by=by)


def test_table_shows_places_numbers_and_reasons():
    swept = sweep(RUNS["line that stops"], {"learning_rate": RATES[-3:]})
    header, *lines = str(swept).splitlines()
    names = "learning_rate 0.weight 0.bias 2 3"
    assert header.split() == names.split()
    for line, rate, weight, reason in zip(
        lines, RATES[-3:], swept.result[0].weight, swept.result[3].name, strict=True
    ):
        first, second, *_, last = line.split()
        assert float(first) == pytest.approx(rate, rel=1e-5)
        assert float(second) == pytest.approx(float(weight), rel=1e-5)
        assert last == reason


def test_table_of_many_lanes_is_shortened_and_the_same_for_rich():
    swept = sweep(descend, {"learning_rate": np.linspace(0, 1, 100)})
    lines = str(swept).splitlines()
    assert len(lines) == 22
    assert lines[11].split() == ["…", "…"]
    assert lines[-1].split() == ["1", "0"]
    console = rich.console.Console(width=80)
    with console.capture() as captured:
        console.print(swept)
    drawn = [line.split() for line in captured.get().splitlines() if line.strip(" ─")]
    assert drawn == [line.split() for line in lines]


def test_sweep_is_a_pytree(swept):
    doubled = jax.jit(lambda swept: jax.tree.map(lambda leaf: 2 * leaf, swept))(swept)
    assert isinstance(doubled, Sweep)
    assert doubled.axes == swept.axes
    assert equal(doubled.result, jax.tree.map(lambda leaf: 2 * leaf, swept.result))


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


def test_lanes_stop_by_themselves_for_reasons_of_their_own():
    rates = np.array([1e-4, 1e-2, 2.0], np.float32)
    _, history, epochs, reason = sweep(
        RUNS["line that stops"], {"learning_rate": rates}
    ).result
    assert reason.name.tolist() == ["epochs", "target", "diverged"]
    finite = np.isfinite(history.loss)
    np.testing.assert_array_equal(finite.sum(axis=1), epochs)
    assert len(set(epochs.tolist())) == 3


def test_large_model_alone_in_a_block_has_the_bits_of_the_run():
    run = RUNS["deep network"]
    result = sweep(run, {"learning_rate": RATES[:2]}, block_size=1).result
    assert equal(rows(result, 1), run(RATES[1]))


@pytest.mark.parametrize("block_size", [1, 5, 12, 100])
def test_block_size_changes_roundings_at_most(block_size):
    swept = sweep(descend, {"learning_rate": RATES}, block_size=block_size)
    np.testing.assert_allclose(swept.result, (1 - RATES) ** 20, rtol=1e-5)


def test_threads_change_no_bit(monkeypatch):
    grid = {"learning_rate": np.tile(RATES, 40)}
    alone = sweep(RUNS["line"], grid, block_size=16).result
    monkeypatch.setattr(host, "_WORTH_THREADS", 0.0)
    monkeypatch.setattr(host, "_n_threads", lambda: 4)
    assert equal(alone, sweep(RUNS["line"], grid, block_size=16).result)


def test_threads_keep_double_precision(float64, monkeypatch):
    monkeypatch.setattr(host, "_WORTH_THREADS", 0.0)
    monkeypatch.setattr(host, "_n_threads", lambda: 2)
    rates = np.linspace(0, 1, 100)
    result = sweep(descend, {"learning_rate": rates}, block_size=8).result
    assert result.dtype == np.float64
    np.testing.assert_allclose(result, (1 - rates) ** 20, rtol=1e-13, atol=1e-16)


def test_error_in_a_thread_is_raised(monkeypatch):
    monkeypatch.setattr(host, "_WORTH_THREADS", 0.0)
    monkeypatch.setattr(host, "_n_threads", lambda: 3)

    def run(number):
        if number == 7:
            raise RuntimeError("seven")

    with pytest.raises(RuntimeError, match="seven"):
        host.run_all(run, range(20))


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


def test_sweep_is_a_part_of_what_transforms_it():
    grid = {"learning_rate": jnp.asarray(RATES), "start": jnp.array([1.0, 2.0])}
    outside = sweep(descend, grid)
    inside = jax.jit(lambda grid: sweep(descend, grid, block_size=5))(grid)
    assert inside.axes == outside.axes
    np.testing.assert_allclose(inside.result, outside.result, rtol=1e-6)
    closed = jax.jit(lambda: sweep(descend, grid))()
    np.testing.assert_allclose(closed.result, outside.result, rtol=1e-6)


def test_sweep_is_differentiated_and_mapped():
    def total(scale):
        return sweep(descend, {"learning_rate": scale * RATES}).result.sum()

    def total_over_closure(scale):
        return sweep(lambda rate: descend(scale * rate), {"rate": RATES}).result.sum()

    rates = RATES.astype(float)
    expected = np.sum(-20 * rates * (1 - rates) ** 19)
    for function in (total, total_over_closure):
        np.testing.assert_allclose(jax.grad(function)(1.0), expected, rtol=1e-4)
    scales = jnp.array([1.0, 0.5])
    sums = [np.sum((1 - scale * rates) ** 20) for scale in (1.0, 0.5)]
    np.testing.assert_allclose(jax.vmap(total)(scales), sums, rtol=1e-4)


def test_lanes_may_draw_and_sort_before_they_loop():
    objective = fl.make_objective(fl.models.linear, fl.losses.mse)
    optimizer = optax.sgd(1e-2)
    step = fl.make_train_step(objective, optimizer)

    def run(key):
        train, validation = fl.data.split(key, READINGS)
        state = fl.init_state(key, START, optimizer)
        params = fl.fit(step, state, train, epochs=50).state.params
        return objective(params, validation, key)

    keys = jax.random.split(KEY, 5)
    np.testing.assert_allclose(
        sweep(run, {"key": keys}).result, [run(key) for key in keys], rtol=1e-5
    )


class Loop(NamedTuple):
    """A loop, and in what blocks it is run: alone, in several lanes whole."""

    body: Any
    size: int
    lanes: int
    whole: bool


MATRIX = jnp.eye(48)
LOOPS = {
    "short sums": Loop(lambda x: x - x.sum() / 99, 11, 128, True),
    "a value of 1 KiB": Loop(jnp.tanh, 256, 16, True),
    "more than fits": Loop(jnp.tanh, 4096, 1, True),
    "more than one core's": Loop(jnp.tanh, 2**17, 1, False),
    "a matrix product": Loop(lambda x: jnp.outer(x, x) @ MATRIX[0], 48, 1, True),
    "large matrices": Loop(lambda x: (jnp.outer(x, x) @ MATRIX)[0], 48, 1, False),
    "a sort": Loop(jnp.sort, 11, 128, False),
}


@pytest.mark.parametrize("name", LOOPS)
def test_block_and_program_follow_from_what_the_loop_computes(name):
    loop = LOOPS[name]

    def run(x):
        return jax.lax.fori_loop(0, 3, lambda _, x: loop.body(x), x)

    closed = jax.make_jaxpr(run)(jnp.linspace(0, 1, loop.size))
    lanes = compilation.lanes_in_block(closed, 1000)
    assert lanes == loop.lanes
    stages = cut(closed, lanes).stages
    assert any(stage.small for stage in stages) == loop.whole


def test_results_of_a_block_have_a_limit():
    def run(x):
        return jax.lax.fori_loop(0, 3, lambda _, x: x + 1, x) * jnp.ones(2**22)

    assert compilation.lanes_in_block(jax.make_jaxpr(run)(1.0), 1000) == 8


@pytest.mark.parametrize(("n_lanes", "lanes"), [(1, 1), (5, 8), (10**9, 2**25)])
def test_accelerators_take_all_lanes_that_fit(n_lanes, lanes, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    closed = jax.make_jaxpr(lambda x: x + 1)(1.0)
    assert compilation.lanes_in_block(closed, n_lanes) == lanes


@pytest.mark.parametrize(
    ("module", "name", "value"),
    [
        (_xla, "OPTIONS", {"xla_cpu_no_such_option": 1}),
        (small, "_TRIED", small._TRIED | {"sort"}),
    ],
)
def test_compiles_plainly_what_xla_refuses(module, name, value, monkeypatch):
    monkeypatch.setattr(_xla, "may_ask", lambda: True)
    monkeypatch.setattr(module, name, value)

    def run(start):
        return jax.lax.fori_loop(0, 3, lambda _, x: jnp.sort(x)[::-1] + 1, start)

    starts = np.array([[3.0, 1.0, 2.0], [0.0, 5.0, 4.0]], np.float32)
    expected = np.sort(starts, axis=1)[:, ::-1] + 3
    np.testing.assert_array_equal(sweep(run, {"start": starts}).result, expected)


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
