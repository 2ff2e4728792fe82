"""NumPy's 64 bits become JAX's 32 where nothing is lost, and not elsewhere."""

import warnings

import jax.numpy as jnp
import numpy as np
import pytest

import funclearn as fl
from funclearn import _arrays

DTYPES = [
    "bool",
    "uint8",
    "int32",
    "float32",
    "int64",
    "uint64",
    "float64",
    "complex128",
]


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_fits_has_the_dtype_of_jax_and_its_values(dtype):
    array = np.arange(6).reshape(3, 2).astype(dtype)
    narrowed = _arrays.narrowed("x", [array])[0]
    assert narrowed.dtype == jnp.asarray(array).dtype
    np.testing.assert_array_equal(narrowed, array)
    assert _arrays.is_narrowed(array) == (narrowed.dtype != dtype)


def test_with_64_bits_nothing_is_narrowed(float64):
    for array in (np.array([2**40]), np.array([1e300]), np.array([2**63], np.uint64)):
        assert _arrays.narrowed("x", array) is array
        assert not _arrays.is_narrowed(array)


@pytest.mark.parametrize(
    "array, message",
    [
        (
            np.array([0, 2**31]),
            r"x\.targets must fit into JAX's int32, .* 0 to 2147483648",
        ),
        (np.array([-(2**31) - 1]), "int32, -2147483648 to 2147483647"),
        (np.array([2**32], np.uint64), "uint32, 0 to 4294967295; got uint64"),
        (np.array([1.0, 1e39]), r"JAX's float32, up to 3\.4e\+38; got 1e\+39"),
        (np.array([[np.inf, -1e300]]), r"float32, .*got -1e\+300"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused_by_name(array, message):
    with pytest.raises(ValueError, match=message):
        _arrays.narrowed("x", fl.Dataset(np.ones(len(array)), array))


def test_the_ends_of_the_range_fit():
    ends = np.array([-(2**31), 2**31 - 1])
    assert _arrays.narrowed("x", ends).tolist() == ends.tolist()
    largest = np.array([float(np.finfo(np.float32).max), -np.inf, np.nan])
    np.testing.assert_array_equal(_arrays.narrowed("x", largest), largest)


COARSE = {
    "seconds since 1970": 1.7e9 + 60 * np.arange(50.0),
    "one column of two": np.stack([np.arange(50.0), 1e6 + np.arange(50.0) / 50]).T,
    "below any float32": 1e-50 * np.arange(4.0),
    "neighbours": np.array([2.0**24, 2.0**24 + 1]),
}
FINE = {
    "years": 1990 + np.arange(30.0),
    "uniform": np.random.default_rng(0).random((100, 3)),
    "constant": np.full(5, 1.7e9 + 0.3),
    "one outlier": np.append(np.arange(99.0), 1e7),
    "missing": np.array([np.nan, 1.0, 2.0]),
    "infinite": np.array([np.inf, -np.inf, 2.0]),
    "one number": np.asarray(1.7e9 + 0.3),
    "none": np.zeros((0, 2)),
}


@pytest.mark.parametrize("column", COARSE.values(), ids=COARSE)
def test_a_column_that_loses_its_digits_is_warned_of(column):
    with pytest.warns(UserWarning, match="x loses digits as float32: .*standardise"):
        _arrays.narrowed("x", column)


@pytest.mark.parametrize("column", FINE.values(), ids=FINE)
def test_a_column_that_keeps_them_is_not(column):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert _arrays.narrowed("x", column).dtype == np.float32


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint32"])
def test_inputs_whose_integers_float32_merges_are_warned_of(dtype):
    near = np.array([5, 2**24, 2**24 + 1]).astype(dtype)
    apart = np.array([5, 2**24, 2**24 + 2]).astype(dtype)
    with pytest.warns(UserWarning, match=r"x\.inputs .* as 16777216 and 16777217"):
        _arrays.narrowed("x", fl.Dataset(near, near))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # Targets are subtracted exactly, and other leaves may be numbers of rows.
        _arrays.narrowed("x", {"rows": near, "data": fl.Dataset(apart, near)})
