"""Numbers, arrays, names and local derivatives as text."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funclearn.graphs import Edge, LinearMap, Node, OwnRule
from funclearn.graphs._notation import (
    is_uniform,
    local,
    number,
    short_names,
    summary,
    title,
)

value_text = [
    (1763.8846, "1764"),
    (19402.73, "19403"),
    (-0.0638999, "-0.0639"),
    (0.00123456, "0.001235"),
    (2.0, "2"),
    (-0.0, "0"),
    (1.0e-7, "1e-07"),
    (1.9408e10, "1.941e+10"),
    (jnp.inf, "inf"),
    (jnp.nan, "nan"),
    (12345678, "12345678"),
    (True, "true"),
    (2 - 3j, "2-3j"),
]


@pytest.mark.parametrize(("value", "text"), value_text)
def test_number(value, text):
    assert number(jnp.asarray(value)) == text


array_text = [
    (jnp.ones(()), "1"),
    (jnp.array([1.0, -0.5]), "[1, -0.5]"),
    (jnp.arange(12.0).reshape(3, 4), "(3, 4) 0 … 11"),
    (jnp.full(5, 0.25), "(5,) all 0.25"),
    (jnp.array([0.0, jnp.nan, 2.0, jnp.inf]), "(4,) 0 … 2, 2 not finite"),
    (jnp.full(4, jnp.nan), "(4,) 4 not finite"),
    (jnp.arange(5) > 1, "(5,) 3 true"),
    (jnp.zeros((0, 3)), "(0, 3) empty"),
    (jnp.array([3j, 4.0, 0.0, 1.0]), "(4,) sizes 0 … 4"),
    (jnp.arange(4, dtype=jnp.bfloat16), "(4,) 0 … 3"),
    (jax.random.key(0), "key"),
    (jax.random.split(jax.random.key(0), 4), "(4,) keys"),
    ((jnp.ones(()), None), "1; -"),
]


@pytest.mark.parametrize(("array", "text"), array_text)
def test_summary(array, text):
    assert summary(array) == text


def test_short_names_are_the_last_parts_that_tell_names_apart():
    assert short_names(
        ["p['a']['kernel']", "p['b']['kernel']", "p['b'].bias", "batch[0]", "x"]
    ) == {
        "p['a']['kernel']": "a.kernel",
        "p['b']['kernel']": "b.kernel",
        "p['b'].bias": "bias",
        "batch[0]": "batch[0]",
        "x": "x",
    }


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [(1763.8846, 2, "1764"), (0.0638999, 2, "0.064"), (1e-7, 2, "1e-07")],
)
def test_number_of_other_digits(value, digits, text):
    assert number(jnp.asarray(value), digits) == text
    assert number(np.float64(value), digits) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(1e-4, "0.0001"), (9.9e-5, "9.9e-05"), (999999.0, "999999"), (1e6, "1e+06")],
)
def test_number_has_an_exponent_outside_of_four_and_six_places(value, text):
    assert number(np.float64(value)) == text


uniform = [
    (jnp.float32(3), True),
    (jnp.full((2, 3), 0.5), True),
    (jnp.array([True, True]), True),
    (jnp.array([1.0, 2.0]), False),
    (jnp.zeros(0), False),
    (jnp.full(2, jnp.nan), False),
    (jax.random.key(0), False),
]


@pytest.mark.parametrize(("value", "expected"), uniform)
def test_is_uniform(value, expected):
    assert is_uniform(value) == expected


def test_summary_without_shape():
    assert summary(jnp.arange(12.0).reshape(3, 4), shape=False) == "0 … 11"
    assert summary((jnp.arange(4), None), shape=False) == "0 … 3; -"
    assert summary(None) == "-"


def test_title_is_name_and_formula():
    node = Node("v1", "sin", "sin(x)", jnp.float32(0), None)
    assert title(node) == "v1 = sin(x)"
    assert title(node._replace(formula="")) == "v1"


def derivative(shape=(), dtype=jnp.float32, slope=2.5):
    space = jax.ShapeDtypeStruct(shape, dtype)
    return LinearMap(lambda adjoint: adjoint * slope, space, space)


@pytest.mark.parametrize(
    ("linear_map", "text"),
    [
        (derivative(), "2.5"),
        (derivative(slope=1 / 3), "0.3333"),
        (derivative(shape=(2,)), ""),
        (derivative(dtype=jnp.complex64), ""),
        (None, ""),
    ],
)
def test_local_derivatives_are_written_between_real_scalars(linear_map, text):
    assert local(Edge(0, 1, linear_map)) == text


def test_short_names_of_nothing():
    assert short_names([]) == {}


RULES = [
    (3.0, lambda u: jnp.clip(u, -0.75, 0.75), "3 ↦ 0.75, rule of its own, not linear"),
    (None, jnp.sign, "rule of its own, not linear"),
    (jnp.ones(2), jnp.sign, "rule of its own, not linear"),
    (2.0, lambda u: jnp.full(2, jnp.sign(u)), "rule of its own, not linear"),
]


@pytest.mark.parametrize(("adjoint", "share", "text"), RULES)
def test_a_rule_that_is_not_linear_has_no_derivative_but_says_so(adjoint, share, text):
    adjoint = None if adjoint is None else jnp.asarray(adjoint)
    assert local(Edge(0, 1, None, OwnRule(share, adjoint))) == text
