"""Branches and loops carried out in float64, with the decisions of the program."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from funclearn.gradients import _control, _promotion
from funclearn.gradients._program import program_of

X = np.array([0.3, 1.7, 2.9], np.float32)
B = np.array([0.1, 0.7, 0.6], np.float32)


def carried_out(function, x=X, data=B):
    """The program of a parameter and of data, at the point and where samples are."""
    program = program_of(function, x, data, x64=False, params=range(1))
    with jax.enable_x64(True):
        sample = np.asarray(_promotion.run(program, x, data))
        exact, spread = map(np.asarray, _promotion.run_rounded(program, x, data))
    np.testing.assert_array_equal(exact, sample)
    assert np.all(spread <= 1e-6 * (1 + np.abs(exact)))
    return sample


def times(x, data):
    """Counts steps of 0.1 up to 1: eleven in float32, ten in most others."""
    count, _ = lax.while_loop(
        lambda c: c[1] < 1.0, lambda c: (c[0] + 1, c[1] + data[0]), (0, 0.0)
    )
    return x * count


def test_a_time_ends_a_loop_as_in_its_own_precision():
    time, count = np.float32(0), 0
    while time < 1:
        time, count = np.float32(time + np.float32(0.1)), count + 1
    np.testing.assert_allclose(carried_out(times), X.astype(float) * count, rtol=1e-14)


def in_scan(x, data):
    def step(carry, row):
        time, total = carry
        return (time + row, total + jnp.floor(time / data[0]) * x), time >= 0.7

    (_, total), late = lax.scan(step, (jnp.float32(0), x), jnp.full(9, data[0]))
    return total + jnp.sum(late) * x


def test_a_time_decides_in_a_scan_as_in_its_own_precision():
    time, tenth, wholes, late = np.float32(0), np.float32(0.1), 1, 0
    for _ in range(9):
        wholes, late = wholes + np.floor(time / tenth), late + (time >= np.float32(0.7))
        time = np.float32(time + tenth)
    exact = X.astype(float) * (wholes + late)
    np.testing.assert_allclose(carried_out(in_scan), exact, rtol=1e-14)


def newton(y):
    return lax.while_loop(
        lambda c: jnp.abs(c * c - y) > 1e-6 * y, lambda c: 0.5 * (c + y / c), y
    )


def by_numpy(y, tolerance=1e-6):
    c = y
    while abs(c * c - y) > tolerance * y:
        c = 0.5 * (c + y / c)
    return c


def several_by_numpy(y):
    c = y
    while c < 5:
        c = by_numpy(c) + 4 + y
    return c


LOOPS = {
    "mapped loop": (
        lambda x, b: jax.vmap(newton)(x),
        lambda x, b: [*map(by_numpy, x)],
    ),
    "loop mapped twice": (
        lambda x, b: jax.vmap(jax.vmap(newton))(x[:, None] + jnp.array([[1.0, 2.0]])),
        lambda x, b: [[by_numpy(y + 1), by_numpy(y + 2)] for y in x],
    ),
    "mapped loop of several": (
        lambda x, b: jax.vmap(
            lambda y, n: lax.while_loop(
                lambda c: c[0] < n, lambda c: (c[0] + 1, c[1] * y, c[2]), (0, 1.0, y)
            )[1]
        )(x, jnp.arange(3)),
        lambda x, b: x ** np.arange(3),
    ),
    "mapped loop in a loop": (
        lambda x, b: lax.fori_loop(0, 2, lambda _, y: jax.vmap(newton)(y), x),
        lambda x, b: [by_numpy(by_numpy(y)) for y in x],
    ),
    "loop in a mapped loop": (
        lambda x, b: jax.vmap(
            lambda y: lax.while_loop(lambda c: c < 5.0, lambda c: newton(c) + 4 + y, y)
        )(x),
        lambda x, b: [*map(several_by_numpy, x)],
    ),
    "mapped branches": (
        lambda x, b: jax.vmap(lambda y, c: lax.cond(c > 0.5, jnp.sin, jnp.cos, y))(
            x, b
        ),
        lambda x, b: np.where(b > 0.5, np.sin(x), np.cos(x)),
    ),
    "branch by a parameter": (
        lambda x, b: lax.cond(x[0] > 1, lambda: x * b[0], lambda: x + b),
        lambda x, b: x + b,
    ),
    "branch by data": (
        lambda x, b: lax.switch(jnp.int32(b[1] * 10), [jnp.sin] * 7 + [jnp.cos], x),
        lambda x, b: np.cos(x) if np.float32(0.7) * 10 >= 7 else np.sin(x),
    ),
    "reversed rows": (
        lambda x, b: lax.scan(lambda c, y: (c * y, c), 1.0, x, reverse=True)[1],
        lambda x, b: [x[1] * x[2], x[2], 1],
    ),
}


@pytest.mark.parametrize(("function", "meaning"), LOOPS.values(), ids=LOOPS)
def test_loops_and_branches_mean_mathematics(function, meaning):
    exact = np.asarray(meaning(X.astype(float), B.astype(float)))
    np.testing.assert_allclose(carried_out(function), exact, rtol=2e-7)


@pytest.mark.slow
def test_keys_may_be_carried_by_a_mapped_loop():
    def draw(x, limit):
        def step(carry):
            key, count = carry
            return jax.random.split(key)[0], count + 1

        start = (jax.random.key(1), 0)
        key, _ = lax.while_loop(lambda c: c[1] < limit, step, start)
        return x * jax.random.uniform(key)

    def function(x, data):
        return jax.vmap(draw)(x, jnp.int32(data * 10))

    np.testing.assert_allclose(carried_out(function), function(X, B), rtol=1e-6)


def test_a_loop_that_never_ends_at_a_sample_gives_no_number(monkeypatch):
    """Newton's method of the root of -1 goes on for ever."""
    monkeypatch.setattr(_control, "_MOST_STEPS", 1000.0)
    x = np.array([4.0, -1.0], np.float32)
    program = program_of(jax.vmap(newton), x, x64=False)
    with jax.enable_x64(True):
        assert np.isnan(np.asarray(_promotion.run(program, x))).all()
        (first,) = _promotion.run(program_of(jax.vmap(newton), x[:1], x64=False), x[:1])
    assert first == pytest.approx(2.0, rel=1e-6)


def test_a_loop_that_no_parameter_ends_may_be_long(monkeypatch):
    monkeypatch.setattr(_control, "_MOST_STEPS", 10.0)
    limit = np.array([50.0, 0, 0], np.float32)

    def function(x, data):
        return lax.while_loop(
            lambda c: c[0] < data[0], lambda c: (c[0] + 1, c[1]), (0.0, x)
        )[1]

    np.testing.assert_array_equal(carried_out(function, X, limit), X.astype(float))
