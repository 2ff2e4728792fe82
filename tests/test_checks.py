"""Refusals: each names the argument, what it got and what it needs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funclearn import _checks

# The checks are for what annotations cannot say, and for who has none checked.
pytestmark = pytest.mark.usefixtures("plain_annotations")

KEY = jax.random.key(0)


def test_a_leaf_is_named_as_python_would_reach_it():
    ((path, _),) = jax.tree_util.tree_leaves_with_path({"layers": [(3,)]})
    assert _checks.path_name("params", path) == "params['layers'][0][0]"
    assert _checks.path_name("params", ()) == "params"


def test_a_number_known_while_tracing():
    for value in (1, 2.5, np.float32(1), np.int8(1)):
        assert _checks.is_static_number(value)
    for value in (True, "1", None, jnp.ones(())):
        assert not _checks.is_static_number(value)


@pytest.mark.parametrize("value", [3, np.int64(3), jnp.int32(3)])
def test_integers_come_in_many_types(value):
    number = _checks.integer_at_least("n", value, 1)
    assert number == 3 and type(number) is int


@pytest.mark.parametrize("value", [3.0, "3", None, True, jnp.ones(2, int)])
def test_what_is_no_integer_is_refused(value):
    with pytest.raises(TypeError, match="n must be an integer known at trace time"):
        _checks.integer_at_least("n", value, 1)


def test_a_traced_integer_is_refused_and_a_small_one_too():
    with pytest.raises(TypeError, match="n must be an integer known at trace time"):
        jax.jit(lambda n: _checks.integer_at_least("n", n, 1))(3)
    with pytest.raises(ValueError, match="n must be at least 1; got 0"):
        _checks.integer_at_least("n", 0, 1)


def test_keys():
    _checks.check_key("key", KEY)
    for key in (0, np.zeros(2, np.uint32), jax.random.PRNGKey(0), None):
        with pytest.raises(TypeError, match="key must be a typed key"):
            _checks.check_key("key", key)
    with pytest.raises(ValueError, match=r"single key; got keys of shape \(2,\)"):
        _checks.check_key("key", jax.random.split(KEY))


@pytest.mark.parametrize(
    "tree, error, message",
    [
        ({"w": jnp.arange(3)}, TypeError, r"p\['w'\] must be floating.*got int32"),
        ([1.0, 2], TypeError, r"p\[1\] must be floating.*got int32"),
        (jnp.array(1j), TypeError, "p must be floating.*got complex64"),
        ((), ValueError, r"p must have at least one leaf; got \(\)"),
    ],
)
def test_what_has_no_gradient_is_refused(tree, error, message):
    with pytest.raises(error, match=message):
        _checks.check_floating("p", tree)


def test_the_leading_length():
    assert _checks.leading_length("d", {"x": np.ones((4, 2)), "y": jnp.ones(4)}) == 4
    for tree in ({"x": np.ones(4), "y": np.ones(3)}, 3.0, {}):
        with pytest.raises(ValueError, match="d must hold arrays with one leading"):
            _checks.leading_length("d", tree)
    with pytest.raises(ValueError, match="d must have at least one row; got none"):
        _checks.leading_length("d", np.ones((0, 3)))


def test_structures_shapes_and_dtypes():
    needed = {"a": jnp.ones(3), "b": jnp.int32(1)}
    check = _checks.check_same_structure
    check("got", {"a": jnp.zeros(3), "b": jnp.int32(5)}, needed, "it")
    check("got", jax.eval_shape(lambda: needed), needed, "it")
    with pytest.raises(ValueError, match="got must have the structure of it"):
        check("got", {"a": jnp.ones(3)}, needed, "it")
    with pytest.raises(ValueError, match=r"got\['a'\] must be float32\(3,\) as in it"):
        check("got", {"a": jnp.ones(2), "b": jnp.int32(5)}, needed, "it")
    other = {"a": jnp.ones(3), "b": jnp.float32(5)}
    with pytest.raises(ValueError, match=r"got\['b'\] must be int32\(\)"):
        check("got", other, needed, "it")
    check("got", other, needed, "it", dtypes=False)


def test_positive_numbers():
    assert _checks.positive_number("x", np.float32(2)) == 2.0
    for value in (0, -1, np.inf, np.nan):
        with pytest.raises(
            ValueError, match=r"x must be positive and finite; got .*Ha"
        ):
            _checks.positive_number("x", value, " Ha")
    for value in ("2", True, None, np.ones(2)):
        with pytest.raises(TypeError, match="x must be a number; got"):
            _checks.positive_number("x", value)
    with pytest.raises(TypeError, match="x must be a number; got"):
        jax.jit(lambda x: _checks.positive_number("x", x))(2.0)


RANGES = {
    "positive": (_checks.check_positive, [1e-9, 3], [0, -1.0], "be positive"),
    "not negative": (_checks.check_not_negative, [0, 2.5], [-1e-9], "not be negative"),
    "at least one": (_checks.check_at_least_one, [1, 7.5], [0.99, 0], "be at least 1"),
}


@pytest.mark.parametrize("check, good, bad, message", RANGES.values(), ids=RANGES)
def test_ranges_are_checked_where_numbers_are_known(check, good, bad, message):
    for value in good:
        check("x", value)
        jax.jit(lambda x: check("x", x))(-value - 1)  # traced: nothing is known
    for value in (*bad, float("nan")):
        with pytest.raises(ValueError, match=f"x must {message}; got {value}"):
            check("x", value)


def test_batch_sizes():
    assert _checks.check_batch_size(np.int32(3), 3) == 3
    with pytest.raises(ValueError, match="at most the number of rows, 3; got 4"):
        _checks.check_batch_size(4, 3)
    with pytest.raises(ValueError, match="batch_size must be at least 1; got 0"):
        _checks.check_batch_size(0, 3)
    with pytest.raises(TypeError, match="batch_size must be an integer"):
        _checks.check_batch_size(1.5, 3)


@pytest.mark.usefixtures("plain_annotations")
@pytest.mark.parametrize("direction", ["", "maximum", "MAX", None, 1, ["max"]])
def test_there_are_two_directions(direction):
    with pytest.raises(ValueError, match="direction must be 'min' or 'max'; got"):
        _checks.check_direction("direction", direction)
