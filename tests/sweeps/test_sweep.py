"""Sweeps: named axes, one program, and bits that no other lane has a say in."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funclearn as fl
from funclearn.sweeps import sweep
from tests.runs import KEY, RATES, Display, descend, equal, run_of


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


def test_bad_block_sizes_are_refused():
    with pytest.raises(ValueError, match="block_size must be at least 1"):
        sweep(lambda start: start, {"start": np.ones(2)}, block_size=0)


def test_zipped_values_unequal_in_number_are_refused():
    grid = {"start": np.ones(2), "steps": np.ones(3)}
    with pytest.raises(ValueError, match=r"in number; got \{'start': 2, 'steps': 3\}"):
        sweep(lambda start, steps: start, grid, zipped=True)


def test_a_run_that_returns_nothing_is_refused():
    with pytest.raises(TypeError, match="run must return arrays or numbers; got None"):
        sweep(lambda start: None, {"start": np.ones(2)})


def test_a_run_may_return_python_numbers():
    swept = sweep(lambda start: (start, 3, 0.5), {"start": [1.0, 2.0]})
    np.testing.assert_array_equal(np.stack(swept.result), [[1, 2], [3, 3], [0.5, 0.5]])


@pytest.fixture(scope="module")
def swept():
    def run(learning_rate, momentum):
        loss = jnp.where(learning_rate > 5e-3, jnp.nan, (learning_rate - momentum) ** 2)
        return {"loss": loss, "history": loss * jnp.ones(4)}

    return sweep(run, {"learning_rate": RATES, "momentum": [0.0, 0.01, 0.9]})


def test_lanes_stop_by_themselves_for_reasons_of_their_own():
    rates = np.array([1e-4, 1e-2, 2.0], np.float32)
    _, history, epochs, reason = sweep(
        run_of("line that stops"), {"learning_rate": rates}
    ).result
    assert reason.name.tolist() == ["epochs", "target", "diverged"]
    finite = np.isfinite(history.loss)
    np.testing.assert_array_equal(finite.sum(axis=1), epochs)
    assert len(set(epochs.tolist())) == 3


def test_sweep_is_a_part_of_what_transforms_it():
    grid = {"learning_rate": jnp.asarray(RATES), "start": jnp.array([1.0, 2.0])}
    outside = sweep(descend, grid)
    inside = jax.jit(lambda grid: sweep(descend, grid, block_size=5))(grid)
    assert inside.axes == outside.axes
    np.testing.assert_allclose(inside.result, outside.result, rtol=1e-6)
    closed = jax.jit(lambda: sweep(descend, grid))()
    np.testing.assert_allclose(closed.result, outside.result, rtol=1e-6)


@pytest.mark.slow
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


def test_a_display_changes_no_bit_and_sees_the_best():
    grid = {"learning_rate": RATES}
    display = Display()
    shown = sweep(
        run_of("line that stops"),
        grid,
        progress=display,
        best_by=lambda result: result[2],
        best_direction="max",
    )
    assert equal(sweep(run_of("line that stops"), grid).result, shown.result)
    last = display.seen[-1]
    assert isinstance(last, fl.sweeps.SeenLanes)
    assert last[:3] == (12, 12, float(shown.result[2].max()))
    assert display.closed == 1


def test_a_display_counts_the_lanes_of_all_static_values(capsys):
    def run(power, x):
        return x**power

    grid = {"power": [1, 2, 3], "x": jnp.array([-2.0, 3.0])}
    swept = sweep(run, grid, static_argnames="power", progress=True)
    shown = capsys.readouterr().err
    assert shown.startswith("lanes 6 / 6, best -8, ") and shown.count("\n") == 1
    assert swept.best().result == -8
    sweep(run, {"power": [2], "x": grid["x"]}, static_argnames="power")
    assert capsys.readouterr() == ("", "")


def test_under_a_transformation_nothing_is_shown(capsys):
    jax.jit(lambda rates: sweep(descend, {"learning_rate": rates}, progress=True))(
        RATES
    )
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    "bad, error, message",
    [
        ({"progress": "yes"}, TypeError, "progress must be True, False, None, or an"),
        ({"progress": 1}, TypeError, "progress must be True, False, None, or an"),
        ({"best_direction": "up"}, ValueError, "best_direction must be 'min' or 'max'"),
        ({"best_by": 3}, TypeError, "best_by must be a function of a run's result, or"),
        ({"best_by": "loss"}, ValueError, "best_by must be a function, or the name"),
        ({"best_by": lambda x: (x, x)}, ValueError, "best_by must return a real scal"),
    ],
)
def test_bad_displays_are_refused(bad, error, message, plain_annotations):
    arguments = {"progress": Display(), **bad}
    with pytest.raises(error, match=message):
        sweep(descend, {"learning_rate": RATES}, **arguments)
