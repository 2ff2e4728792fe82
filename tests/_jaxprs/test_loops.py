"""Loops taken apart: the same answers from every version of JAX."""

import jax
import jax.numpy as jnp
import numpy as np

from funclearn import _jaxprs

X = jnp.array([0.5, -1.0, 2.0])

CAPTURED = jnp.array([3.0, 4.0, 5.0])


def traced(function, *args):
    return jax.make_jaxpr(function)(*args)


def only_equation(function, *args):
    (equation,) = traced(function, *args).eqns
    return equation


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
