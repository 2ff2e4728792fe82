"""Means and deviations have the digits of what they are taken of."""

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn import preprocessing

import funclearn as fl
from funclearn.data import _moments

HOUR = 60.0 * np.arange(50)


def exact(column):
    """Mean and deviation in rational arithmetic, the root aside."""
    numbers = [Fraction(value.item()) for value in column]
    mean = sum(numbers) / len(numbers)
    variance = sum((number - mean) ** 2 for number in numbers) / len(numbers)
    # Of the size of 1 a square is within the range of floats.
    reach = max(abs(number - mean) for number in numbers)
    deviation = float(reach) * np.sqrt(float(variance / reach**2))
    return mean, deviation, [float(number - mean) for number in numbers]


COLUMNS = {
    "seconds since 1970": 1.7e9 + HOUR,
    "the same as integers": (1.7e9 + HOUR).astype(np.int64),
    "nanoseconds since 1970": (1_700_000_000_000 + HOUR.astype(np.int64)) * 10**6,
    "populations": np.array([7794798739, 7874965825, 7953952567, 8045311447]),
    "large unsigned": np.uint64(2**63)
    + np.arange(5, dtype=np.uint64) * np.uint64(2**40),
    "bytes": np.array([255, 0, 7, 200], np.uint8),
    "truth": np.array([True, False, False]),
    "halves": np.array([1000, 1001, 1003], np.float16),
    "huge": np.array([1e300, -1e300, 3e299]),
    "tiny": np.array([1e-300, 2e-300, 5e-300]),
}


@pytest.mark.parametrize("column", COLUMNS.values(), ids=COLUMNS)
def test_columns_of_numpy_are_scaled_in_float64(column):
    mean, deviation, offsets = exact(column)
    shift, scale = _moments.moments("x", column)
    assert shift.dtype == scale.dtype == np.float64
    np.testing.assert_allclose(shift, float(mean), rtol=1e-14)
    np.testing.assert_allclose(scale, deviation, rtol=1e-12)
    scaled = _moments.scaled(column, shift, scale)
    dtype = jnp.result_type(column, float)
    assert isinstance(scaled, jax.Array) and scaled.dtype == dtype
    rounding = 2 * float(jnp.finfo(dtype).eps) + 1e-6 * (column.dtype == np.uint64)
    np.testing.assert_allclose(
        np.asarray(scaled, float), np.divide(offsets, deviation), atol=4 * rounding
    )


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.slow
def test_half_precision_is_no_coarser_than_its_numbers(dtype):
    column = jnp.asarray([100.0, 100.5, 101.0, 102.0, 101.5], dtype)
    _, deviation, offsets = exact(np.asarray(column, np.float64))
    for transform in (lambda function: function, jax.jit):
        moments = transform(lambda rows: _moments.moments("x", rows))(column)
        scaled = _moments.scaled(column, *moments)
        assert scaled.dtype == dtype
        eps = 2 * float(jnp.finfo(dtype).eps)
        np.testing.assert_allclose(
            np.asarray(scaled, float), np.divide(offsets, deviation), atol=eps
        )


@pytest.mark.parametrize("value", [1.7e9 + 0.3, 16777217, 2**60, True])
def test_a_constant_column_is_shifted_to_zero(value):
    column = np.stack([np.full(7, value)] * 2, axis=1)
    shift, scale = _moments.moments("x", column)
    assert scale.tolist() == [1, 1]
    assert np.all(_moments.scaled(column, shift, scale) == 0)


@pytest.mark.parametrize(
    "column, message",
    [
        (np.array([1.0, np.nan]), r"x must be finite to have a mean; got nan at \[1\]"),
        (np.array([[0.0, -np.inf]]), r"x must be finite .* got -inf at \[0, 1\]"),
        (2**60 + np.arange(4), "x must hold integers whose mean float64 can hold"),
        (np.full(3, 2**60 + 1), "x must hold integers whose mean float64 can hold"),
        (np.array([1.7e308, -1.7e308]), "x must not span the whole range of floats"),
    ],
    ids=str,
)
def test_columns_without_a_mean_are_refused(column, message):
    with pytest.raises(ValueError, match=message):
        _moments.moments("x", column)


def test_what_is_not_finite_stays_that_beside_others():
    scaled = _moments.scaled(np.array([np.nan, np.inf, 3.0]), 1.0, 2.0)
    np.testing.assert_array_equal(scaled, [np.nan, np.inf, 1])


@pytest.mark.parametrize("kind", [np.asarray, jnp.asarray], ids=["NumPy", "JAX"])
@pytest.mark.parametrize("shape", [(9,), (9, 2)], ids=str)
@pytest.mark.slow
def test_weighted_moments_are_scikit_learns(kind, shape):
    rng = np.random.default_rng(0)
    rows = (50 + rng.normal(size=shape)).astype(np.float32)
    weights = rng.integers(0, 3, 9)
    spoilt = np.where(weights.reshape(9, *(1,) * (len(shape) - 1)) == 0, np.nan, rows)
    scaler = preprocessing.StandardScaler()
    scaler.fit(rows.reshape(9, -1).astype(np.float64), sample_weight=weights)
    shift, scale = _moments.moments("rows", kind(spoilt), kind(weights))
    np.testing.assert_allclose(np.ravel(shift), np.asarray(scaler.mean_), rtol=1e-6)
    np.testing.assert_allclose(np.ravel(scale), np.asarray(scaler.scale_), rtol=1e-5)


def test_a_column_that_is_constant_where_it_counts_is_only_shifted():
    rows, weights = np.array([3.0, 3.0, 9.0]), np.array([1, 2, 0])
    for kind in (np.asarray, jnp.asarray):
        shift, scale = _moments.moments("rows", kind(rows), kind(weights))
        assert (float(shift), float(scale)) == (3, 1)
    with pytest.raises(ValueError, match="rows must be finite to have a mean; got nan"):
        _moments.moments("rows", np.array([1.0, np.nan]), np.array([1, 1]))


def test_scaling_leaves_the_weights_alone():
    weights = jnp.array([1.0, 0.0, 3.0])
    rows = fl.Dataset(jnp.array([1.0, 5.0, 2.0]), jnp.ones(3), weights)
    scaled, scaler = fl.data.standardise(rows)
    assert scaled.weights is weights
    np.testing.assert_allclose(scaler.input_shift, 1.75)
    mean = np.average(np.asarray(scaled.inputs), weights=np.asarray(weights))
    np.testing.assert_allclose(mean, 0, atol=1e-6)
