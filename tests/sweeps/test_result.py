"""What a sweep returns."""

import math
import xml.etree.ElementTree

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import rich.console

from funclearn.sweeps import Sweep, sweep
from tests.runs import KEY, RATES, descend, equal, rows, run_of


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
        (lambda result: result["history"], r"a real scalar; got float32\[4\]\.$"),
        (lambda result: result["loss"] * 1j, r"a real scalar; got complex64\[\]"),
        (lambda result: result["loss"] * jnp.nan, "all of them are"),
        (lambda result: result, "a real scalar; got a dict"),
        (lambda result: None, "a real scalar; got None"),
        (lambda result: "loss", "a real scalar; got 'loss'"),
    ],
)
def test_best_refuses_what_is_no_score(swept, by, message):
    with pytest.raises(ValueError, match=message):
        swept.best(by=by)


def test_best_takes_functions_and_names(swept, plain_annotations):
    with pytest.raises(TypeError, match=r"by must be a function .* got 3"):
        swept.best(3)
    by_function = swept.best(lambda result: result["loss"])
    assert swept.best("loss").point == by_function.point


def test_the_best_may_be_the_highest(swept):
    losses = np.asarray(swept.result["loss"])
    where = np.unravel_index(np.nanargmax(losses), losses.shape)
    for by in ("loss", lambda result: result["loss"]):
        assert swept.best(by, "max").result["loss"] == losses[where]
    with pytest.raises(ValueError, match="direction must be 'min' or 'max'; got 'up'"):
        swept.best("loss", direction="up")


@pytest.mark.parametrize("direction", ["min", "max"])
def test_runs_are_sorted_along_one_axis(swept, direction):
    sign = -1 if direction == "max" else 1
    losses = np.asarray(swept.result["loss"]).reshape(-1)
    order = np.argsort(sign * losses, kind="stable")
    ranked = swept.sort("loss", direction)
    assert ranked.axes == (("learning_rate", "momentum"),)
    np.testing.assert_array_equal(ranked.result["loss"], losses[order])
    assert np.isnan(losses).any() and np.isnan(ranked.result["loss"][-1])
    rates, momenta = np.meshgrid(
        np.asarray(RATES), np.array([0.0, 0.01, 0.9], np.float32), indexing="ij"
    )
    np.testing.assert_array_equal(
        ranked.values["learning_rate"], rates.reshape(-1)[order]
    )
    np.testing.assert_array_equal(ranked.values["momentum"], momenta.reshape(-1)[order])
    np.testing.assert_array_equal(
        ranked.result["history"], swept.result["history"].reshape(-1, 4)[order]
    )
    assert str(ranked).splitlines()[1].split()[2] == f"{losses[order][0]:.6g}"


def test_the_first_of_them(swept):
    ranked, top = swept.sort("loss"), swept.top(3, "loss")
    assert top.shape == (3,)
    assert equal(top.result, rows(ranked.result, slice(3)))
    assert equal(swept.top(99, "loss").result, ranked.result)
    with pytest.raises(ValueError, match="n must be at least 1; got 0"):
        swept.top(0, "loss")


def test_values_that_are_not_traced_are_sorted_with_their_runs():
    swept = sweep(
        lambda name, scale: scale * jnp.float32(len(name)),
        {"name": ["ab", "c", "def"], "scale": [1.0, 10.0]},
        static_argnames="name",
    )
    ranked = swept.sort(direction="max")
    assert list(ranked.values["name"]) == ["def", "ab", "c", "def", "ab", "c"]
    assert ranked.at(name=0).result == 30


@pytest.mark.slow
def test_a_sweep_becomes_a_dictionary_and_a_frame():
    pandas = pytest.importorskip("pandas")
    swept = sweep(
        lambda width, rate: {"loss": rate * width, "half": jnp.bfloat16(rate)},
        {"width": [8, 16], "rate": [0.5, 0.25]},
        static_argnames="width",
    )
    columns = {
        "width": [8, 8, 16, 16],
        "rate": [0.5, 0.25, 0.5, 0.25],
        "half": [0.5, 0.25, 0.5, 0.25],
        "loss": [4.0, 2.0, 8.0, 4.0],
    }
    found = swept.to_dict()
    assert {name: column.tolist() for name, column in found.items()} == columns
    frame = swept.to_pandas()
    pandas.testing.assert_frame_equal(
        frame, pandas.DataFrame(columns), check_dtype=False
    )
    assert frame.groupby("width")["loss"].min().tolist() == [2.0, 4.0]


@pytest.mark.slow
def test_a_frame_has_all_rows_and_the_reasons():
    pytest.importorskip("pandas")
    swept = sweep(
        run_of("line that stops"), {"learning_rate": np.linspace(1e-4, 1e-2, 30)}
    )
    frame = swept.to_pandas()
    assert len(frame) == 30
    assert frame["3"].tolist() == swept.result[3].name.tolist()


def test_table_shows_places_numbers_and_reasons():
    swept = sweep(run_of("line that stops"), {"learning_rate": RATES[-3:]})
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


def cells_of(table):
    """The texts of a table of HTML, row by row; it must be well-formed."""
    rows = xml.etree.ElementTree.fromstring(table).iter("tr")
    return [[cell.text for cell in row] for row in rows]


def test_notebooks_show_the_table():
    swept = sweep(descend, {"learning_rate": np.linspace(0, 1, 100)})
    lines = [line.split() for line in str(swept).splitlines()]
    assert cells_of(swept._repr_html_()) == lines


def test_notebooks_show_names_as_text():
    swept = sweep(
        lambda name: jnp.float32(len(name)),
        {"name": ["<b>&", "x"]},
        static_argnames="name",
    )
    assert cells_of(swept._repr_html_()) == [
        ["name", "result"],
        ["<b>&", "4"],
        ["x", "1"],
    ]
