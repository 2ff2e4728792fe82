"""The room that knows JAX's inside: the same answers from every version of JAX."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend.core import Literal

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


@jax.custom_vjp
def halved(x):
    return x / 2


halved.defvjp(lambda x: (x / 2, None), lambda _, g: (g,))


def root_of(x):
    """The root of y³ = x, by ten steps of Newton."""

    def solve(f, y):
        return jax.lax.fori_loop(0, 10, lambda _, y: y - f(y) / (3 * y**2), y)

    return jax.lax.custom_root(
        lambda y: y**3 - x, x, solve, lambda g, y: y / g(jnp.ones_like(y))
    )


@jax.custom_batching.custom_vmap
def together(x):
    return x + 1


together.def_vmap(lambda size, batched, x: (x + 1, batched[0]))


def linear(x):
    return jax.custom_derivatives.linear_call(
        lambda _, y: y * 2, lambda _, g: g * 2, (), x
    )


CALLS = {
    "jit": jax.jit(jnp.sin),
    "checkpoint": jax.checkpoint(lambda x: jnp.sin(x) * 2),
    "custom_jvp": cubed,
    "custom_vjp": halved,
    "custom_root": root_of,
    "custom_vmap": together,
    "linear_call": linear,
}
RULES = (cubed, halved, root_of, together, linear)

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


@pytest.mark.parametrize("function", CALLS.values(), ids=CALLS)
def test_a_call_is_opened(function):
    equation = only_equation(function, X)
    inside = _jaxprs.called(equation)
    assert isinstance(inside, _jaxprs.ClosedJaxpr)
    operands = [X] * len(equation.invars)
    (result,) = _jaxprs.interpret(inside, operands, _jaxprs.bind)
    np.testing.assert_array_equal(result, function(X))
    assert _jaxprs.has_rule(equation) is (function in RULES)


def test_what_does_more_is_no_call():
    for function in (jnp.sin, PROGRAMS["while"], lambda x: jax.lax.cumsum(x)):
        for equation in traced(function, X).eqns:
            assert _jaxprs.called(equation) is None
            assert not _jaxprs.has_rule(equation)


def test_branches_are_held_in_their_order():
    equation = traced(PROGRAMS["cond"], X).eqns[-1]
    branches = _jaxprs.inner_jaxprs(equation)
    results = [_jaxprs.jaxpr_as_fun(branch)(X)[0] for branch in branches]
    np.testing.assert_array_equal(results, [jnp.cos(X), jnp.sin(X)])


def test_a_literal_keeps_its_type():
    literals = [
        atom
        for equation in traced(lambda x: x * 2 + 1, jnp.float16(3)).eqns
        for atom in equation.invars
        if isinstance(atom, Literal)
    ]
    assert [float(_jaxprs.literal(atom)) for atom in literals] == [2, 1]
    assert {_jaxprs.literal(atom).dtype for atom in literals} == {np.dtype(np.float16)}


@pytest.mark.parametrize(
    ("function", "reads"),
    [
        (lambda x, y: x, False),
        (lambda x, y: y, True),
        (lambda x, y: x * y, True),
        (jax.jit(lambda x, y: x), False),
        (jax.jit(lambda x, y: jnp.sin(y)), True),
        (lambda x, y: cubed(y), True),
    ],
)
def test_reads(function, reads):
    assert _jaxprs.reads(traced(function, X, X), 1) is reads


def test_names_are_those_of_the_function():
    def named(first, second):
        return first + second

    equation = only_equation(jax.jit(named), X, X)
    inside = _jaxprs.called(equation)
    assert inside is not None
    assert _jaxprs.function_name(inside) == "named"
    assert list(_jaxprs.argument_names(inside)) == ["first", "second"]


def test_frames_lead_to_the_line():
    equation = only_equation(lambda x: jnp.sin(x), X)
    codes = [code.co_filename for code, _ in _jaxprs.frames(equation)]
    assert __file__ in codes
    assert _jaxprs.frames(object()) == []
