"""What a sweep may be asked for."""

# Some of what is passed here is what the types forbid, and the tests know what
# their values are where the types leave it open.
# pyright: reportArgumentType=false, reportCallIssue=false

import fractions

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funclearn.sweeps import sweep

KEYS = jax.random.split(jax.random.key(0), 3)


def same(value):
    return value


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((1.0, 2.0), np.float32([1, 2])),
        ((1, 2, 3), np.int32([1, 2, 3])),
        (range(3), np.int32([0, 1, 2])),
        ([True, False], np.array([True, False])),
        ([1 + 2j], np.complex64([1 + 2j])),
        ([[1.0, 2.0], [3.0, 4.0]], np.float32([[1, 2], [3, 4]])),
        ([jnp.ones(2), jnp.zeros(2)], np.float32([[1, 1], [0, 0]])),
        (np.int64([2**31 - 1, -(2**31)]), np.int32([2**31 - 1, -(2**31)])),
        (np.float64([0.1, 1e30]), np.float32([0.1, 1e30])),
    ],
)
def test_values_are_taken_as_numpy_reads_them(given, expected):
    swept = sweep(same, {"value": given})
    np.testing.assert_array_equal(swept.result, expected)
    assert swept.result.dtype == expected.dtype
    assert swept.shape == expected.shape[:1]


def test_lists_of_numbers_within_a_pytree_are_arrays():
    swept = sweep(same, {"value": {"x": [1.0, 2.0], "y": {"z": (3, 4)}}})
    np.testing.assert_array_equal(swept.result["x"], [1.0, 2.0])
    np.testing.assert_array_equal(swept.result["y"]["z"], [3, 4])


def test_a_list_of_arrays_within_a_pytree_is_a_pytree():
    swept = sweep(same, {"value": {"x": [np.ones((2, 3)), np.ones(2)]}})
    assert [leaf.shape for leaf in swept.result["x"]] == [(2, 3), (2,)]


@pytest.mark.parametrize("given", [list(KEYS), tuple(KEYS)])
def test_keys_may_be_listed(given):
    drawn = sweep(jax.random.normal, {"key": given}).result
    np.testing.assert_array_equal(drawn, [jax.random.normal(key) for key in KEYS])


@pytest.mark.parametrize(
    ("given", "got"),
    [
        (None, "None"),
        ([None, 1.0], r"\[None, 1.0\]"),
        (["sgd", "adam"], r"\['sgd', 'adam'\]"),
        ("sgd", "'sgd'"),
        (np.array(["sgd"]), r"<U3\[1\]"),
        (np.array([1, "x"], object), r"object\[2\]"),
        (np.array(["2020-01-01"], "datetime64[D]"), "datetime64"),
        ([[1.0], [1.0, 2.0]], r"\[\[1.0\], \[1.0, 2.0\]\]"),
        ([fractions.Fraction(1, 2)], r"\[Fraction"),
        ({1.0}, r"\{1.0\}"),
        ((x for x in [1.0]), "a generator"),
        (map(float, [1]), "a map"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*iterable type:DeprecationWarning")
def test_what_holds_no_numbers_is_refused(given, got, plain_annotations):
    message = rf"^value must hold arrays or numbers, or be .*static_argnames; got {got}"
    with pytest.raises(TypeError, match=message):
        sweep(same, {"value": given})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.int64([2**31, 1]), r"value must fit into JAX's int32.* 1 to 2147483648"),
        ([2**40, 1], "value must fit into JAX's int32.* to 1099511627776"),
        (np.uint64([2**32]), "value must fit into JAX's uint32"),
        (np.float64([1e300, 1.0]), r"value must fit into JAX's float32.* got 1e\+300"),
        (1.0, r"value must hold arrays with one leading length .* got value \(\)"),
        ([], "value must have at least one row"),
        (np.ones((0, 2)), "value must have at least one row"),
        (
            {"x": np.ones(2), "y": np.ones(3)},
            r"value\['x'\] \(2,\), value\['y'\] \(3,\)",
        ),
    ],
)
def test_values_that_jax_cannot_hold_or_that_are_no_axis_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        sweep(same, {"value": given})


def test_large_integers_fit_where_there_are_64_bits(float64):
    given = np.int64([2**40, 1])
    np.testing.assert_array_equal(sweep(same, {"value": given}).result, given)


def test_floats_that_come_out_alike_are_warned_of():
    with pytest.warns(UserWarning, match="value loses digits as float32"):
        sweep(same, {"value": 1.0 + 1e-9 * np.arange(3)})


@pytest.mark.parametrize(
    ("grid", "error", "message"),
    [
        ({}, ValueError, "grid must name at least one argument"),
        (None, TypeError, "grid must be a dictionary, .* got None"),
        ([("value", [1.0])], TypeError, "grid must be a dictionary"),
        ({"rate": [1.0]}, TypeError, r"arguments of run, \(value\); got rate: missing"),
        ({1: [1.0]}, TypeError, r"arguments of run, \(value\); got 1: keywords"),
        (
            {"value": [1.0], "rate": [1.0]},
            TypeError,
            r"got value, rate: got an unexpected keyword argument 'rate'\.$",
        ),
    ],
)
def test_bad_grids_are_refused(grid, error, message, plain_annotations):
    with pytest.raises(error, match=message):
        sweep(same, grid)


def test_arguments_by_position_alone_are_refused():
    with pytest.raises(TypeError, match=r"run, \(value, /\); got value: .*positional"):
        sweep(lambda value, /: value, {"value": [1.0]})


def test_runs_that_are_no_functions_are_refused(plain_annotations):
    with pytest.raises(TypeError, match="run must be a function; got 3"):
        sweep(3, {"value": [1.0]})


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (
            3,
            TypeError,
            "value is one of static_argnames, so it must be a list .* got 3",
        ),
        ("sgd", TypeError, "so it must be a list of values; got 'sgd'"),
        (np.array(3), TypeError, "so it must be a list of values"),
        ([], ValueError, "value must have at least one value"),
        ([[8, 1]], TypeError, r"so its values must be hashable; got \[8, 1\]"),
        ([{"width": 8}], TypeError, "so its values must be hashable"),
        ([(8, [1])], TypeError, "so its values must be hashable"),
    ],
)
def test_bad_static_values_are_refused(given, error, message):
    with pytest.raises(error, match=message):
        sweep(lambda value: jnp.zeros(()), {"value": given}, static_argnames=["value"])


def test_names_of_static_arguments_must_be_in_the_grid():
    with pytest.raises(ValueError, match=r"static_argnames must be .* \['width'\]"):
        sweep(same, {"value": [1.0]}, static_argnames=["width"])


def test_a_string_names_one_static_argument():
    swept = sweep(
        lambda width: jnp.asarray(width), {"width": [1, 2]}, static_argnames="width"
    )
    assert swept.result.tolist() == [1, 2]
