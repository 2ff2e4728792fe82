"""The room that knows JAX's inside: the same answers from every version of JAX."""

import gc
import weakref

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

CALLS = {
    "jit": jax.jit(jnp.sin),
    "checkpoint": jax.checkpoint(lambda x: jnp.sin(x) * 2),
    "custom_jvp": cubed,
    "custom_vjp": halved,
}

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


def test_only_some_parameters_can_be_replaced():
    equation = only_equation(lambda x: jnp.sum(x), X)
    (result,) = _jaxprs.bind(equation, [X], {"axes": ()})
    np.testing.assert_array_equal(result, X)


@pytest.mark.parametrize("function", CALLS.values(), ids=CALLS)
def test_a_call_is_opened(function):
    equation = only_equation(function, X)
    inside = _jaxprs.called(equation)
    assert isinstance(inside, _jaxprs.ClosedJaxpr)
    (result,) = _jaxprs.interpret(inside, [X], _jaxprs.bind)
    np.testing.assert_array_equal(result, function(X))
    assert _jaxprs.has_rule(equation) is (function in (cubed, halved))


def test_what_does_more_is_no_call():
    for function in (jnp.sin, PROGRAMS["while"], lambda x: jax.lax.cumsum(x)):
        for equation in traced(function, X).eqns:
            assert _jaxprs.called(equation) is None
            assert not _jaxprs.has_rule(equation)


def test_a_scan_is_taken_apart():
    """Constants, carry and rows of one shape, or of shapes that differ by an axis."""
    rows, table = jnp.arange(6.0).reshape(3, 2), jnp.ones((3, 2))

    def body(carry, row):
        total, kept = carry
        return (total + CAPTURED.sum() + row, kept * table), (kept, row, table)

    def function(start, kept, rows):
        return jax.lax.scan(body, (start, kept), rows, reverse=True)

    equation = only_equation(function, rows[0], table, rows)
    names = [f"operand {place}" for place in range(len(equation.invars))]
    scan = _jaxprs.scan_of(equation, names)
    assert [len(part) for part in scan[1:4]] == [2, 2, 1]
    assert [*scan.constants, *scan.carry, *scan.rows] == names
    assert (scan.length, scan.reverse) == (3, True)
    assert [x.shape for x in scan.body.in_avals] == [(3,), (3, 2), (2,), (3, 2), (2,)]


def test_a_while_loop_is_taken_apart():
    limit, factor = jnp.asarray(10.0), jnp.asarray(2.0)

    def function(x, limit, factor):
        return jax.lax.while_loop(
            lambda c: c.sum() < limit, lambda c: c * factor + factor, x
        )

    equation = only_equation(function, X, limit, factor)
    loop = _jaxprs.while_of(equation, list("abc"))
    assert loop[1:2] + loop[3:] == (["a"], ["b"], ["c"])
    (goes_on,) = _jaxprs.jaxpr_as_fun(loop.test)(limit, X)
    assert goes_on
    (after,) = _jaxprs.jaxpr_as_fun(loop.body)(factor, X)
    np.testing.assert_array_equal(after, X * 2 + 2)


def test_a_linear_solve_is_solved():
    matrix = jnp.outer(X, X) + jnp.eye(3)
    jaxpr = traced(jnp.linalg.solve, matrix, X)

    def rule(equation, operands):
        if called := _jaxprs.called(equation):
            return _jaxprs.interpret(called, operands, rule)
        if equation.primitive is _jaxprs.primitives.linear_solve_p:
            return _jaxprs.interpret(*_jaxprs.linear_solver(equation, operands), rule)
        return _jaxprs.bind(equation, operands)

    (result,) = _jaxprs.interpret(jaxpr, [matrix, X], rule)
    np.testing.assert_allclose(matrix @ result, X, rtol=1e-5)


def test_branches_are_held_in_their_order():
    equation = traced(PROGRAMS["cond"], X).eqns[-1]
    branches = _jaxprs.inner_jaxprs(equation)
    results = [_jaxprs.jaxpr_as_fun(branch)(X)[0] for branch in branches]
    np.testing.assert_array_equal(results, [jnp.cos(X), jnp.sin(X)])


def test_an_equation_stands_alone():
    jaxpr = traced(lambda x, y: x - y, X, CAPTURED)
    (equation,) = jaxpr.eqns
    alone = _jaxprs.single(equation, equation.invars[::-1])
    (result,) = _jaxprs.jaxpr_as_fun(alone)(CAPTURED, X)
    np.testing.assert_array_equal(result, X - CAPTURED)


def test_constants_become_arguments_and_are_let_go():
    """What a jaxpr held on to would leak, were it a tracer."""
    captured = jnp.arange(5.0)
    alive = weakref.ref(captured)
    jaxpr, constants = _jaxprs.split_constants(traced(lambda x: x[:1] * captured, X))
    (result,) = _jaxprs.eval_jaxpr(jaxpr, (), *constants, X)
    np.testing.assert_array_equal(result, 0.5 * np.arange(5))
    del captured, constants, result
    gc.collect()
    assert alive() is None


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


def test_keys_are_told_from_numbers():
    assert _jaxprs.is_key(jax.random.key(0).dtype)
    assert not _jaxprs.is_key(jax.random.PRNGKey(0).dtype)
    assert not _jaxprs.is_key(np.dtype(float))


def test_there_is_nothing_else():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = _jaxprs.nothing
