"""Numbers of any dtype have the differences of real numbers, rounded once."""

import itertools
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funclearn import _arrays

VALUES = {
    "bool": [0, 1],
    "uint8": [0, 1, 3, 255],
    "int8": [-128, 0, 127],
    "int16": [-(2**15), 3, 2**15 - 1],
    "uint32": [0, 2**24, 2**24 + 1, 2**31 + 5, 2**32 - 1],
    "int32": [-(2**31), -(2**24) - 1, 0, 65535, 65536, 2**24 + 1, 2**31 - 1],
    "float16": [-65504, 0.5, 2048, 65504],
    "bfloat16": [-3e38, 1.5, 2**24],
    "float32": [-(2**24), 0.1, 65536.5, 2**24, 2**31],
    "uint64": [0, 2**31, 2**53 + 1, 2**64 - 1],
    "int64": [-(2**63), -5, 2**53, 2**53 + 1, 2**63 - 1],
    "float64": [-1e30, 0.1, 2**53, 1.7e9 + 0.3],
}
NARROW = [name for name in VALUES if not name.endswith("64")]


def every_pair(first, second):
    pairs = list(itertools.product(VALUES[first], VALUES[second]))
    return (
        np.array(column, jnp.dtype(dtype))
        for column, dtype in zip(zip(*pairs, strict=True), (first, second), strict=True)
    )


def assert_differences(predictions, targets, found, dtype):
    """Against Python's fractions, to two roundings of the larger part."""
    eps = Fraction(float(jnp.finfo(dtype).eps))
    for one, other, error in zip(predictions, targets, found, strict=True):
        wanted = Fraction(one.item()) - Fraction(other.item())
        assert abs(Fraction(error.item()) - wanted) <= eps * abs(wanted), (one, other)


@pytest.mark.parametrize("second", NARROW)
@pytest.mark.parametrize("first", NARROW)
@pytest.mark.slow
def test_differences_of_jax_are_rounded_once(first, second):
    predictions, targets = every_pair(first, second)
    errors, _ = _arrays.errors_of(jnp.asarray(predictions), jnp.asarray(targets))
    assert errors.dtype == jnp.float32
    assert_differences(predictions, targets, np.asarray(errors), errors.dtype)


@pytest.mark.parametrize("second", VALUES)
@pytest.mark.parametrize("first", ["uint64", "int64", "float64"])
def test_differences_of_numpy_are_taken_before_jax_narrows(first, second):
    for one, other in ((first, second), (second, first)):
        predictions, targets = every_pair(one, other)
        errors, _ = _arrays.errors_of(predictions, targets)
        assert_differences(predictions, targets, np.asarray(errors), errors.dtype)


@pytest.mark.parametrize("second", ["uint64", "int64", "int32", "float32", "float64"])
def test_differences_of_64_bits_traced_or_not(second, float64):
    predictions, targets = every_pair("int64", second)
    for errors_of in (_arrays.errors_of, jax.jit(lambda *a: _arrays.errors_of(*a)[0])):
        found = errors_of(jnp.asarray(predictions), jnp.asarray(targets))
        errors = np.asarray(found[0] if isinstance(found, tuple) else found)
        assert_differences(predictions, targets, errors, errors.dtype)


def test_numpys_integers_beside_a_tracer_are_refused_where_they_would_wrap():
    far = np.array([2**40])
    with pytest.raises(ValueError, match="targets must fit into JAX's int32"):
        jax.jit(lambda p: _arrays.errors_of(p, far)[0])(jnp.zeros(1))


@pytest.mark.parametrize(
    "arrays, inside, result",
    [
        (["uint8"], "float32", "float32"),
        (["float16"], "float32", "float32"),
        (["float16", "int32"], "float32", "float32"),
        (["bfloat16", "uint8"], "float32", "bfloat16"),
        (["bfloat16", "float32"], "float32", "float32"),
        (["float16", "bfloat16"], "float32", "float32"),
    ],
    ids=str,
)
def test_a_mean_is_taken_in_float32_at_least(arrays, inside, result):
    found = _arrays.accumulator(*(jnp.ones(1, dtype) for dtype in arrays))
    assert found == (jnp.dtype(inside), jnp.dtype(result))


def test_floats_suit_the_parameters():
    cases = [
        ("uint8", "float32", "float32"),
        ("int32", "float16", "float32"),
        ("bfloat16", "float32", "float32"),
        ("float16", "float16", "float16"),
        ("float32", "bfloat16", "float32"),
    ]
    for dtype, of_params, wanted in cases:
        floats = _arrays.as_floats("x", jnp.ones(2, dtype), jnp.ones(1, of_params))
        assert floats.dtype == wanted, (dtype, of_params)


def test_large_integers_of_numpy_are_floats_of_their_size():
    people = np.array([7_794_798_739, -1])
    floats = _arrays.as_floats("x", people, jnp.ones(1))
    assert isinstance(floats, jax.Array)
    np.testing.assert_allclose(floats, people, rtol=1e-7)
    exact = _arrays.as_floats("x", people, np.ones(1))
    assert isinstance(exact, np.ndarray) and exact.tolist() == people.tolist()


def test_real_floating_point_numbers_are_told_from_others():
    for value in (1.5, np.float16(1), np.ones(2), jnp.ones((), jnp.bfloat16)):
        assert _arrays.is_floating(value)
    for value in (1, True, None, "1.5", np.int8(1), jnp.ones(2, complex), [1.5]):
        assert not _arrays.is_floating(value)
