"""Numbers, kinds and wholeness of values, one operation at a time."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funclearn import _jaxprs
from funclearn.testing._values import Kind, Value, Values

FLAT = jax.ShapeDtypeStruct((4,), jnp.float32)
TABLE = jax.ShapeDtypeStruct((4, 4), jnp.float32)


def values_of(function, *arguments):
    """What is known of a function's results, and of its arguments."""
    values = Values()
    jaxpr = jax.make_jaxpr(function)(*arguments)
    given = [values.argument(given=True) for _ in jaxpr.in_avals]

    def rule(equation, operands):
        inner = [*_jaxprs.inner_jaxprs(equation)]
        if inner:
            return _jaxprs.interpret(inner[0], operands, rule, values.constant)
        shapes = [getattr(atom.aval, "shape", ()) for atom in equation.invars]
        return values.results(equation, operands, shapes)

    return _jaxprs.interpret(jaxpr, given, rule, values.constant), given


SAME = {
    "shape": lambda x, y: (x[:, None], x.reshape(1, 4)),
    "dtype": lambda x, y: (x.astype(jnp.bfloat16), x),
    "transposed": lambda x, y: (x[:, None].T, x),
    "computed alike": lambda x, y: (x[:, None] / 3 + 1, x / 3 + 1),
    "reduced alike": lambda x, y: (jnp.sum(x, keepdims=True), jnp.sum(x)),
    "a constant": lambda x, y: (np.arange(4.0) * x, (np.arange(4.0) * x)[None]),
}


@pytest.mark.parametrize("function", SAME.values(), ids=SAME)
def test_what_is_computed_alike_is_one_value(function):
    (one, other), _ = values_of(function, FLAT, FLAT)
    assert one.number == other.number


DIFFERENT = {
    "arguments": lambda x, y: (x, y),
    "operations": lambda x, y: (jnp.sin(x), jnp.cos(x)),
    "operands": lambda x, y: (x + y, x + x),
    "literals": lambda x, y: (x * 2, x * 3),
    "parameters": lambda x, y: (x**2, x**3),
    "constants": lambda x, y: (x * np.arange(4.0), x * np.ones(4)),
    "results of one operation": lambda x, y: jax.lax.top_k(x, 4),
}


@pytest.mark.parametrize("function", DIFFERENT.values(), ids=DIFFERENT)
def test_what_is_computed_otherwise_is_another(function):
    (one, other), _ = values_of(function, FLAT, FLAT)
    assert one.number != other.number


KINDS = {
    "argument": (lambda x: x, Kind.DATA),
    "number": (lambda x: jnp.zeros(4), Kind.NUMBER),
    "count": (lambda x: jnp.exp(-2.0 * jnp.arange(4)[:, None]), Kind.COUNT),
    "count of NumPy": (lambda x: jnp.sin(np.arange(3, 7)), Kind.COUNT),
    "grid of NumPy": (lambda x: jnp.sin(np.linspace(0, 1, 4)), Kind.DATA),
    "both": (lambda x: x * jnp.arange(4), Kind.DATA),
}


@pytest.mark.parametrize(("function", "kind"), KINDS.values(), ids=KINDS)
def test_kinds(function, kind):
    ((value,), _) = values_of(lambda x: (function(x),), FLAT)
    assert value.kind is kind


WHOLE = {
    "argument": (lambda x, t: t, True),
    "product": (lambda x, t: t @ t.T, True),
    "sign": (lambda x, t: -t, True),
    "axis of length 1": (lambda x, t: x[:, None], True),
    "pairs": (lambda x, t: jax.lax.mul(x[:, None], x[None]), True),
    "table and column": (lambda x, t: jax.lax.mul(t, x[:, None]), True),
    "repeated": (lambda x, t: jnp.broadcast_to(x, (4, 4)), False),
    "filled": (lambda x, t: jnp.broadcast_to(x[0], (4, 4)), False),
    "computed from it": (lambda x, t: 2 * jnp.broadcast_to(x, (4, 4)), False),
}


@pytest.mark.parametrize(("function", "whole"), WHOLE.values(), ids=WHOLE)
def test_what_repeats_an_entry_is_not_whole(function, whole):
    ((value,), _) = values_of(lambda x, t: (function(x, t),), FLAT, TABLE)
    assert value.whole is whole


def test_arguments_stay_as_given_until_something_is_computed():
    (shaped, computed), (given,) = values_of(lambda x: (x[:, None], x + 1), FLAT)
    assert shaped == given and given.given
    assert not computed.given


def test_suspects_are_handed_on():
    values = Values()
    one, other = Value(0, suspects=frozenset("a")), Value(1, suspects=frozenset("b"))
    assert values.unknown([one, other]).suspects == {"a", "b"}


def test_keys_are_data():
    assert Values().constant(jax.random.key(0)).kind is Kind.DATA


def test_sources_are_the_arguments_and_arrays_that_a_value_is_made_of():
    def function(x, y):
        return x[:, None] * 2, jnp.sin(x) - y, jnp.arange(4) + 1, x + np.ones(4)

    (one, both, count, array), given = values_of(function, FLAT, FLAT)
    x, y = (argument.sources for argument in given)
    assert (one.sources, both.sources, count.sources) == (x, x | y, frozenset())
    assert x < array.sources and len(array.sources) == 2
    unknown = Values().unknown([one, both])
    assert unknown.sources == x | y
