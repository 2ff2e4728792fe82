"""Where the rows of a mapped loop go."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funclearn.training import _trips as trips
from funclearn.training._repeat import repeat

PART = trips._LONGEST_PART
LENGTHS = [1, 7, PART - 1, PART, PART + 1, 2 * PART, 3 * PART + 5]


def body(state):
    """Counts up; rows of several shapes and dtypes."""
    number, step, table = state
    row = {"number": number, "square": 1.0 * number**2, "pair": jnp.stack([number, 7])}
    return (number + step, step, table), row


def run(start, step, length, last=None):
    running = None if last is None else lambda state: state[0] <= last
    return repeat(body, (start, step, jnp.arange(3)), length, running)


def expected(start, step, length, last=None):
    numbers = start + step * np.arange(length)
    left = np.zeros(length, bool) if last is None else numbers > last
    return {
        "number": np.where(left, 0, numbers),
        "square": np.where(left, np.nan, 1.0 * numbers**2),
        "pair": np.where(left[:, None], 0, np.stack([numbers, 0 * numbers + 7], 1)),
    }


def assert_rows(rows, wanted):
    for name, values in wanted.items():
        np.testing.assert_array_equal(rows[name], values, err_msg=name)


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("last", [None, 5, 60, 100])
@pytest.mark.slow
def test_rows_of_lanes_are_those_of_the_loops(length, last):
    starts, steps = np.arange(4), np.array([1, 2, 1, 3])
    lanes = jax.jit(jax.vmap(functools.partial(run, length=length, last=last)))
    state, final, rows = lanes(starts, steps)
    wanted = [expected(*pair, length, last) for pair in zip(starts, steps, strict=True)]
    stacked = {name: np.stack([one[name] for one in wanted]) for name in wanted[0]}
    assert_rows(rows, stacked)
    made = np.isfinite(stacked["square"]).sum(axis=1)
    np.testing.assert_array_equal(state[0], starts + steps * made)
    ends = np.stack([one["square"][n - 1] for one, n in zip(wanted, made, strict=True)])
    np.testing.assert_array_equal(final["square"], ends)


@pytest.mark.parametrize("length", [5, PART + 3])
def test_lanes_of_lanes(length):
    starts, steps = np.arange(2), np.array([1, 2, 5])
    lanes = jax.vmap(lambda step: run(0, step, length, 40)[2])
    grid = jax.vmap(jax.vmap(run, (None, 0, None, None)), (0, None, None, None))
    rows = jax.jit(grid, static_argnums=2)(starts, steps, length, 40)[2]
    assert rows["pair"].shape == (2, 3, length, 2)
    for i, start in enumerate(starts):
        for j, step in enumerate(steps):
            one = {name: leaf[i, j] for name, leaf in rows.items()}
            assert_rows(one, expected(start, step, length, 40))
    np.testing.assert_array_equal(lanes(steps)["number"], rows["number"][0])


def test_what_is_the_same_in_all_lanes_stays_one():
    def loop(start):
        state, _, rows = run(start, 2, PART + 1)
        return state, rows

    lowered = jax.jit(jax.vmap(loop)).lower(jnp.arange(4)).as_text()
    # The table is the only array of three; with an axis of lanes it would be of 4 x 3.
    assert "tensor<3xi32>" in lowered
    assert "while" in lowered
    loops = lowered[lowered.index("while") :]
    assert "4x3xi32" not in loops.split("return")[0]


def test_what_comes_to_differ_among_lanes_is_found():
    def fibonacci(state):
        one, other, lane = state
        return (other, one + other * lane, lane), one

    def loop(lane):
        return repeat(fibonacci, (jnp.int32(1), jnp.int32(1), lane), 6)[2]

    np.testing.assert_array_equal(
        jax.vmap(loop)(jnp.arange(3)),
        [[1, 1, 1, 1, 1, 1], [1, 1, 2, 3, 5, 8], [1, 1, 3, 7, 17, 41]],
    )


@pytest.mark.parametrize("width", [1, 15, 17])
def test_rows_that_fill_lines_of_their_own_are_written_at_once(width):
    def wide(number):
        return number + 1, jnp.full(width, number, jnp.float32)

    rows = jax.vmap(lambda start: repeat(wide, start, PART + 2)[2])(jnp.arange(3))
    numbers = np.arange(3)[:, None] + np.arange(PART + 2)
    np.testing.assert_array_equal(rows, np.repeat(numbers[:, :, None], width, axis=2))


@pytest.mark.parametrize(
    ("row", "lanes", "part"),
    [
        ([()], (), 1000),  # no lanes
        ([(128,)], (128,), 64),
        ([(128,), (128,)], (128,), 32),
        ([(8, 16)], (8, 16), 64),
        ([(10_000,)], (10_000,), 8),
        ([(128, 16)], (128,), 1000),  # a row of 64 bytes
        ([], (128,), 1000),  # no rows
    ],
)
def test_parts_fit_into_the_cache(row, lanes, part):
    types = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in row]
    found = trips.Trips(lambda *_: _, None, types, lambda *_: _, 1000, lanes)
    assert trips._part(found) == part


def test_rows_may_be_keys():
    def draw(key):
        return jax.random.fold_in(key, 1), key

    keys = jax.random.split(jax.random.key(0), 2)
    rows = jax.vmap(lambda key: repeat(draw, key, PART + 1)[2])(keys)
    assert rows.dtype == keys.dtype and rows.shape == (2, PART + 1)
    assert bool(jnp.all(rows[:, 0] == keys))
    assert bool(jnp.all(rows[:, 1] == jax.vmap(jax.random.fold_in, (0, None))(keys, 1)))


@pytest.mark.slow
def test_rows_that_do_not_depend_on_the_lane_are_differentiated_too():
    def mixed(state):
        value, count = state
        return (0.5 * value, count + 1), (value, 1.0 * count)

    def loop(start):
        _, _, (values, counts) = repeat(mixed, (start, jnp.int32(0)), PART + 1)
        return jnp.sum(values) + jnp.sum(counts)

    starts = jnp.array([1.0, 3.0])
    values, slopes = jax.vmap(jax.value_and_grad(loop))(starts)
    np.testing.assert_allclose(slopes, 2.0, rtol=1e-6)
    np.testing.assert_allclose(values, jax.vmap(loop)(starts), rtol=1e-6)
    gradient = jax.grad(lambda starts: jnp.sum(jax.vmap(loop)(starts)))(starts)
    np.testing.assert_allclose(gradient, 2.0, rtol=1e-6)
