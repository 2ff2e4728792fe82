"""Tolerances, and the description of the largest difference."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funclearn.testing._agreement import Tolerance, disagreement

SIDES = ("here", "there")


def compare(got, expected, **tolerance):
    return disagreement("output", got, expected, SIDES, Tolerance(**tolerance))


@pytest.mark.parametrize(
    ("dtype", "granted"),
    [("float64", 1.8e-12), ("float32", 6.4e-6), ("float16", 5.5e-3), ("int32", 0)],
)
def test_what_is_granted_follows_dtype_and_size(dtype, granted):
    leaf = np.array([-3, 1, 0], dtype)
    assert Tolerance().granted(leaf) == pytest.approx(3 * granted, rel=0.05)


def test_rtol_and_atol_add_up_and_infinities_do_not_count():
    leaf = np.array([2.0, np.inf, np.nan, -4.0])
    assert Tolerance(rtol=0.5, atol=0.25).granted(leaf) == 2.25
    assert Tolerance(rtol=0.5, atol=0.25).granted(np.array([np.nan])) == 0.25
    assert Tolerance(rtol=0.5).granted(np.array([3 + 4j])) == 2.5
    assert Tolerance(rtol=0.5, atol=0.25).granted(np.array([7])) == 0


SAME = {
    "arrays": (jnp.arange(3.0), np.arange(3, dtype=np.float32)),
    "NaN": (jnp.array([jnp.nan, 1]), jnp.array([jnp.nan, 1])),
    "infinities": (jnp.array([jnp.inf, -jnp.inf]), jnp.array([jnp.inf, -jnp.inf])),
    "keys": (jax.random.key(1), jax.random.key(1)),
    "objects": ({"name": "a"}, {"name": "a"}),
    "number": (1.0, jnp.float32(1)),
    "within": (1.0 + 1e-6, 1.0),
    "empty": (jnp.zeros((0, 3)), jnp.zeros((0, 3))),
    "nothing": (None, None),
}


@pytest.mark.parametrize("name", SAME)
def test_results_that_agree(name):
    assert compare(*SAME[name]) is None


UNLIKE = {
    "value": (1.5, 1.0, "output is 1.5 here, but 1.0 there"),
    "NaN": (jnp.nan, 1.0, "output is nan here, but 1.0 there"),
    "NaN expected": (1.0, jnp.nan, "output is 1.0 here, but nan there"),
    "sign of infinity": (jnp.inf, -jnp.inf, "output is inf here, but -inf there"),
    "integer": (2**24 + 1, 2**24, "output is 16777217 here, but 16777216 there"),
    "text": ("a", "b", "output is a here, but b there"),
    "dtype": (
        jnp.ones(2, int),
        jnp.ones(2),
        "output is int32[2] here, but float32[2] there",
    ),
    "shape": (
        jnp.ones((2, 1)),
        jnp.ones(2),
        "output is float32[2, 1] here, but float32[2] there",
    ),
    "structure": (
        [1],
        (1,),
        "output is PyTreeDef([*]) here, but PyTreeDef((*,)) there",
    ),
    "leaf and index": (
        {"x": [0, jnp.eye(2)]},
        {"x": [0, jnp.array([[1.0, 0], [3, 1]])]},
        "output['x'][1][1, 0] is 0.0 here, but 3.0 there",
    ),
}


@pytest.mark.parametrize("name", UNLIKE)
def test_results_that_differ(name):
    got, expected, words = UNLIKE[name]
    assert compare(got, expected) == words


def test_the_difference_that_exceeds_most_is_named():
    got = {"a": jnp.array([1.0, 1000.3]), "b": jnp.array([1.0, 1.2])}
    expected = {"a": jnp.array([1.0, 1000.0]), "b": jnp.array([1.0, 1.0])}
    # 0.3 of 1000 is 3e-4, 0.2 of 1 is more.
    assert "output['b'][1]" in str(compare(got, expected))


@pytest.mark.parametrize(("atol", "agrees"), [(0.1, False), (0.3, True)])
def test_atol_is_granted(atol, agrees):
    assert (compare(1.2, 1.0, rtol=0.0, atol=atol) is None) == agrees


@pytest.mark.usefixtures("float64")
def test_integers_that_float64_cannot_tell_apart_differ():
    assert compare(jnp.int64(2**60 + 1), jnp.int64(2**60))
