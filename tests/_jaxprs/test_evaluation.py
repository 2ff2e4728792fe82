"""Equations evaluated: the same answers from every version of JAX."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funclearn import _jaxprs

X = jnp.array([0.5, -1.0, 2.0])

CAPTURED = jnp.array([3.0, 4.0, 5.0])


def traced(function, *args):
    return jax.make_jaxpr(function)(*args)


def only_equation(function, *args):
    (equation,) = traced(function, *args).eqns
    return equation


@jax.custom_jvp
def cubed(x):
    return x**3


cubed.defjvp(lambda primals, tangents: (cubed(*primals), tangents[0]))


PROGRAMS = {
    "arithmetic": lambda x: jnp.tanh(x) * 2 + CAPTURED,
    "several results": lambda x: (x, jnp.sum(x), jnp.int8(3)),
    "integers": lambda x: jnp.argsort(x) // 2,
    "call": lambda x: jax.jit(jnp.sort)(x) + cubed(x),
    "scan": lambda x: jax.lax.scan(lambda c, y: (c * y + CAPTURED[0], c), 1.0, x),
    "while": lambda x: jax.lax.while_loop(
        lambda c: c[0] < 3, lambda c: (c[0] + 1, c[1] * CAPTURED), (0, x)
    ),
    "cond": lambda x: jax.lax.cond(x[0] > 0, jnp.sin, jnp.cos, x),
    "random": lambda x: x + jax.random.normal(jax.random.key(1), x.shape),
    "one literal": lambda x: 2.0,
}


@pytest.mark.parametrize("function", PROGRAMS.values(), ids=PROGRAMS)
def test_to_bind_every_equation_is_to_call_the_function(function):
    jaxpr = traced(function, X)
    results = _jaxprs.interpret(jaxpr, [X], _jaxprs.bind)
    expected = jax.tree.leaves(function(X))
    assert [jnp.result_type(one) for one in results] == [
        jnp.result_type(one) for one in expected
    ]
    for one, other in zip(results, expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("function", PROGRAMS.values(), ids=PROGRAMS)
def test_a_rule_may_see_anything_in_a_value(function):
    """Here whether it depends on the argument: constants and literals do not."""

    def rule(equation, operands):
        return [any(operands)] * len(equation.outvars)

    def says(argument):
        jaxpr = traced(function, X)
        return _jaxprs.interpret(jaxpr, [argument], rule, lambda _: False)

    assert not any(says(False))
    assert any(says(True)) is (function is not PROGRAMS["one literal"])


def seen_literals(function, *args):
    seen = []
    jaxpr = traced(function, *args)
    _jaxprs.interpret(jaxpr, args, _jaxprs.bind, lambda x: seen.append(x) or x)
    return seen


@pytest.mark.parametrize(
    ("function", "args", "value"),
    [
        (lambda mask: mask & True, (X > 0,), np.bool_(True)),
        (lambda mask: jax.lax.select_n(mask, False, True), (X[0] > 0,), None),
        (lambda x: x * 2, (X,), np.float32(2)),
        (lambda x: x * 2, (X.astype(jnp.bfloat16),), jnp.bfloat16(2)),
        (lambda x: x + 3, (jnp.arange(3),), np.int32(3)),
        (lambda x: x + 3, (jnp.arange(3, dtype=jnp.uint8),), np.uint8(3)),
        (lambda x: x * 2j, (X + 0j,), np.complex64(2j)),
    ],
)
def test_a_literal_is_an_array_of_its_type(function, args, value):
    """Python's numbers have no dtype, and one that JAX would choose is another one."""
    for x64 in (False, True):
        with jax.enable_x64(x64):
            seen = seen_literals(function, *args)
        assert seen
        for literal in seen:
            assert isinstance(literal, np.ndarray) and literal.shape == ()
            assert value is None or (literal, literal.dtype) == (value, value.dtype)


def test_only_some_parameters_can_be_replaced():
    equation = only_equation(lambda x: jnp.sum(x), X)
    (result,) = _jaxprs.bind(equation, [X], {"axes": ()})
    np.testing.assert_array_equal(result, X)


def test_an_equation_stands_alone():
    jaxpr = traced(lambda x, y: x - y, X, CAPTURED)
    (equation,) = jaxpr.eqns
    alone = _jaxprs.single(equation, equation.invars[::-1])
    (result,) = _jaxprs.jaxpr_as_fun(alone)(CAPTURED, X)
    np.testing.assert_array_equal(result, X - CAPTURED)
