"""Numbers of an optimizer: what is allowed, and what is made of them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funclearn.optimizers._numbers import (
    checked,
    checked_betas,
    checked_of_adam,
    decayed,
    is_zero,
    larger,
    lerp,
    one_minus_power,
    pair,
    root,
    smaller,
    value_of,
)


@pytest.mark.parametrize("value", [0.1, 2, jnp.float32(0.5), len])
def test_numbers_arrays_and_schedules_are_allowed(value):
    assert checked("lr", value, at_least=0) == value


@pytest.mark.parametrize(
    ("value", "needed"),
    [
        (-0.1, "at least 0 and less than 1; got -0.1"),
        (1, "at least 0 and less than 1; got 1"),
        (float("nan"), "at least 0 and less than 1; got nan"),
        (jnp.float32(2), "at least 0 and less than 1; got 2"),
    ],
)
def test_known_numbers_are_checked(value, needed):
    with pytest.raises(ValueError, match=f"beta must be {needed}"):
        checked("beta", value, at_least=0, below=1)


def test_other_limits():
    with pytest.raises(ValueError, match="eps must be more than 0; got 0"):
        checked("eps", 0, above=0)
    with pytest.raises(ValueError, match=r"x must be at most 1; got 1\.5"):
        checked("x", 1.5, at_most=1)
    with pytest.raises(ValueError, match="x must be a number; got nan"):
        checked("x", float("nan"))


@pytest.mark.parametrize("value", ["0.1", None, True, jnp.ones(2), jnp.array(True)])
def test_other_things_are_refused(value, plain_annotations):
    with pytest.raises(TypeError, match="lr must be a number, an array of shape"):
        checked("lr", value, at_least=0)


def test_pairs():
    assert checked_betas([0.9, 0.99]) == (0.9, 0.99)
    numbers = checked_of_adam(1, [0.9, 0.99], 1e-8, 0)
    assert list(numbers.values()) == [1, 0.9, 0.99, 1e-8, 0]
    with pytest.raises(ValueError, match=r"betas\[1\] must be at least 0"):
        checked_betas((0.9, 1.0))
    for betas in (0.9, (0.9,), (0.9, 0.99, 0.999)):
        with pytest.raises(TypeError, match="betas must be a pair of numbers"):
            pair("betas", betas)


def test_known_numbers_stay_pythons():
    assert type(value_of(np.float32(0.5).item(), jnp.int32(0), jnp.float32)) is float
    assert value_of(lambda count: count + 0.5, jnp.int32(2), jnp.float16) == 2.5
    assert jnp.asarray(value_of(jnp.int32(3), jnp.int32(2), jnp.float16)).dtype == "f2"
    assert is_zero(0) and is_zero(-0.0) and not is_zero(jnp.float32(0))


@pytest.mark.parametrize("beta", [0.0, 0.3, 0.5, 0.9, 0.999, 0.999999])
@pytest.mark.slow
def test_corrections_are_precise_in_float32(beta):
    times = np.array([1, 2, 10, 1000])
    rounded = float(np.float32(beta))
    known = jax.vmap(lambda t: one_minus_power(beta, t))(jnp.float32(times))
    traced = jax.vmap(lambda t: one_minus_power(jnp.float32(beta), t))(
        jnp.float32(times)
    )
    np.testing.assert_allclose(known, 1 - beta**times, rtol=1e-6)
    np.testing.assert_allclose(traced, 1 - rounded**times, rtol=1e-6)


@pytest.mark.slow
def test_derivatives_of_corrections(float64):
    for beta in (0.0, 0.3, 0.5, 0.9):
        for t in (1.0, 2.0, 7.0):
            slope = jax.grad(one_minus_power)(beta, jnp.asarray(t))
            np.testing.assert_allclose(slope, -t * beta ** (t - 1), rtol=1e-12)


def test_roots():
    squares = jnp.array([4.0, 0.0, -1e-9, jnp.nan, jnp.inf])
    np.testing.assert_array_equal(root(squares), [2, 0, 0, jnp.nan, jnp.inf])
    slopes = jax.grad(lambda x: jnp.sum(root(x)))(squares[:3])
    np.testing.assert_array_equal(slopes, [0.25, 0, 0])


def test_the_larger_and_the_smaller():
    values = jnp.array([0.5, 2.0, jnp.nan])
    np.testing.assert_array_equal(larger(1, values), [1, 2, jnp.nan])
    np.testing.assert_array_equal(smaller(1, values), [0.5, 1, jnp.nan])
    slope = jax.grad(lambda x: larger(1.0, x) + smaller(1.0, 3 * x))
    assert [slope(0.1), slope(2.0)] == [3, 1]


def test_means_and_penalties():
    assert lerp(jnp.float32(1), jnp.float32(3), 0.25) == 1.5
    assert decayed(jnp.float32(1), jnp.float32(jnp.nan), 0) == 1
    assert decayed(jnp.float32(1), jnp.float32(3), 0.5) == 2.5
