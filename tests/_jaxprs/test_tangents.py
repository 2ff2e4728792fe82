"""The loop that a tangent runs through longest."""

# What a jaxpr or a program holds is typed as optional.
# pyright: reportOptionalMemberAccess=false

import jax
import jax.numpy as jnp
import numpy as np

from funclearn import _jaxprs

ONE = jnp.asarray(1.0)


def loop_of(function, x=ONE):
    return _jaxprs.tangent_loop(function, x, jnp.ones_like(x))


def repeat(n, start, step):
    return jax.lax.fori_loop(0, n, lambda _, x: step(x), start)


def test_the_longest_loop_is_found_wherever_it_is_called():
    @jax.jit
    def long(x):
        return repeat(30, x, lambda y: y * x)

    def function(x):
        short = repeat(20, x, jnp.sin)
        aside = repeat(50, ONE, jnp.cos)
        return long(short) + aside

    loop = loop_of(function)
    assert loop.scan.length == 30
    # The value and its tangent are carried, and x and its tangent are constants.
    assert sum(loop.carry) == 1
    assert sum(loop.constants) == 1
    start = [x for x, moves in zip(loop.scan.carry, loop.carry, strict=True) if moves]
    np.testing.assert_allclose(
        start[0], jax.grad(lambda x: repeat(20, x, jnp.sin))(ONE), rtol=1e-6
    )


def test_what_the_result_does_not_need_is_left_out():
    def function(x):
        state = repeat(20, (x, x), lambda s: (jnp.sin(s[0]), s[0] * s[1]))
        return state[0]

    assert sum(loop_of(function).carry) == 1


def test_a_setting_that_is_carried_along_does_not_move():
    def function(x):
        state = repeat(20, (x, ONE), lambda s: (s[0], s[1] - s[0] * s[1]))
        return state[1]

    loop = loop_of(function)
    assert sum(loop.carry) == 1


def test_rows_are_told_apart():
    def function(x):
        return jax.lax.scan(lambda y, row: (y * row, None), ONE, x)[0]

    loop = loop_of(function, jnp.ones(20))
    assert sum(loop.rows) == 1 and sum(loop.carry) == 1


def test_without_a_loop_there_is_none():
    assert loop_of(jnp.sin) is None
    assert loop_of(lambda x: x + repeat(20, ONE, jnp.sin)) is None

    def until(x):
        return jax.lax.while_loop(lambda y: y < 5, lambda y: y + x, x)

    assert loop_of(until) is None
