"""Random roundings: how large they are, and what they leave alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funclearn.gradients._rounding import (
    Rounding,
    draw_tables,
    is_inexact,
    unit,
    wide,
    widen,
)

pytestmark = pytest.mark.usefixtures("float64")


@pytest.fixture
def rounding(float64):
    return Rounding(jnp.asarray(draw_tables(1)[1]))


def test_tables_are_random_numbers_around_zero_after_one_of_zeros():
    tables = draw_tables(3)
    assert tables.shape[0] == 4 and not tables[0].any()
    assert np.abs(tables).max() <= 1
    assert np.abs(tables[1:].mean()) < 0.02
    assert tables[1:].std() == pytest.approx(1 / np.sqrt(3), rel=0.02)
    np.testing.assert_array_equal(tables, draw_tables(3))


@pytest.mark.parametrize("shape", [(), (5,), (2, 3), (100, 50)])
def test_a_result_is_off_by_its_error_at_most(rounding, shape):
    value = jnp.full(shape, -3.0)
    rounded = np.asarray(rounding.result(value, 1e-6))
    assert rounded.shape == shape and rounded.dtype == np.float64
    relative = np.abs(rounded / -3.0 - 1)
    assert 0 < relative.max() <= 1.0001e-6


def test_errors_may_differ_by_entry(rounding):
    rounded = rounding.result(jnp.ones(3), np.array([0.0, 1e-3, 0.0]))
    assert (np.asarray(rounded) != 1).tolist() == [False, True, False]


def test_no_two_results_are_rounded_alike(rounding):
    rounded = [float(rounding.result(jnp.ones(()), 1e-3)) for _ in range(100)]
    assert len({*rounded}) == 100


def test_without_a_table_results_are_exact():
    value = jnp.array([0.1, 0.2])
    assert Rounding().result(value, 1e-3) is value


@pytest.mark.parametrize("value", [jnp.arange(3), jnp.array(True), jax.random.key(0)])
def test_what_is_no_fraction_is_left_alone(rounding, value):
    assert rounding.result(value, 1e-3) is value
    assert rounding.constant(value) is value
    assert widen(value) is value


CONSTANTS = {
    "a fraction": (np.float32(0.1), True),
    "an integer": (np.float32(12345), False),
    "an integer with a fraction's spacing": (np.float32(2**25 + 4), True),
    "few digits": (np.float32(0.375), False),
    "beyond bfloat16": (np.float32(3.4e38), True),
    "float16": (np.float16(0.1), True),
    "bfloat16": (jnp.bfloat16(0.1), False),
    "complex": (np.complex64(0.1 + 1j), True),
}


@pytest.mark.parametrize(("value", "moves"), CONSTANTS.values(), ids=CONSTANTS)
def test_constants_are_rounded_unless_surely_meant_as_they_are(rounding, value, moves):
    exact = np.asarray(value).astype(wide(np.asarray(value).dtype))
    found = np.asarray(rounding.constant(value))
    assert found.dtype == exact.dtype
    assert (found != exact) == moves
    assert np.abs(found - exact) <= 1.0001 * unit(value.dtype) * np.abs(exact)
    kept = Rounding(rounding.table, constants=False).constant(value)
    assert np.asarray(kept) == exact == np.asarray(Rounding().constant(value))


@pytest.mark.parametrize(
    ("dtype", "bits"),
    [("float64", 53), ("float32", 24), ("float16", 11), ("bfloat16", 8)],
)
def test_unit_is_half_the_spacing_at_one(dtype, bits):
    assert unit(dtype) == 2.0**-bits


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        (np.dtype(np.float16), np.dtype(np.float64)),
        (jnp.dtype(jnp.bfloat16), np.dtype(np.float64)),
        (np.dtype(np.complex64), np.dtype(np.complex128)),
        (np.dtype(np.int8), np.dtype(np.int8)),
        (np.dtype(bool), np.dtype(bool)),
        ("float32", "float32"),
        (None, None),
    ],
)
def test_only_types_of_fractions_are_widened(dtype, expected):
    assert wide(dtype) == expected


def test_widening_keeps_the_values():
    value = jnp.array([0.1, -2.5], jnp.float32)
    assert is_inexact(value)
    np.testing.assert_array_equal(widen(value), np.asarray(value).astype(np.float64))
    assert widen(value).dtype == np.float64
