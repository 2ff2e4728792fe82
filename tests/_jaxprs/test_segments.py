"""Loops in segments: the same values, the same derivatives, and less memory."""

# What a jaxpr or a program holds is typed as optional.
# pyright: reportOptionalMemberAccess=false

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funclearn import _jaxprs

ROWS = jnp.sin(jnp.arange(100.0)).reshape(50, 2)


def step(carry, row):
    total, count = carry
    after = jnp.tanh(total * 0.9 + row.sum()) * (1 + 0.01 * count)
    return (after, count + 1), jnp.stack([after, total])


def scanned(x, reverse=False, rows=ROWS, unroll=1):
    start = x, jnp.int32(0)
    (last, _), seen = jax.lax.scan(step, start, rows, reverse=reverse, unroll=unroll)
    return last + jnp.sum(seen * jnp.cos(jnp.arange(len(rows)))[:, None])


def with_derivative(x):
    """A while loop whose derivative is a scan's, as that of `fit`."""

    def scan(x, key):
        shift = jax.random.uniform(key)
        return jax.lax.fori_loop(0, 40, lambda _, y: jnp.sin(y) + shift * x, x), 7

    @jax.custom_jvp
    def loop(x, key):
        def body(carry):
            return carry[0] + 1, jnp.sin(carry[1]) + jax.random.uniform(key) * x

        return jax.lax.while_loop(lambda c: c[0] < 40, body, (0, x))[1], 7

    @loop.defjvp
    def loop_jvp(primals, tangents):
        return jax.jvp(scan, primals, tangents)

    value, number = loop(x, jax.random.key(0))
    return value * number


def branched(x):
    def long(x):
        return jax.lax.fori_loop(0, 30, lambda _, y: jnp.sin(y) + 0.1 * x, x)

    return jax.lax.cond(x > 0, long, lambda x: x * x, x)


def nested(x):
    def inner(y):
        return jax.jit(lambda y: scanned(y, rows=ROWS[:17]) * 0.05 + y)(y)

    return jax.lax.fori_loop(0, 20, lambda _, y: inner(y), x)


FUNCTIONS = {
    "rows": scanned,
    "in reverse": lambda x: scanned(x, reverse=True),
    "no rest, unrolled": lambda x: scanned(x, rows=ROWS[:49], unroll=3),
    "short": lambda x: scanned(x, rows=ROWS[:15]),
    "derivative of its own": with_derivative,
    "branch": branched,
    "nested": nested,
}


@pytest.mark.slow
def test_values_and_derivatives_are_the_same():
    """All functions in one program, plain and in segments."""

    def all_of(change):
        def every(x):
            found = [jax.value_and_grad(change(f))(x) for f in FUNCTIONS.values()]
            return jnp.array(found)

        return jax.jit(every)(0.3)

    plain, cut = all_of(lambda f: f), all_of(_jaxprs.in_segments)
    np.testing.assert_allclose(cut, plain, rtol=1e-5)
    assert np.isfinite(plain).all()
    mapped = jax.vmap(jax.grad(_jaxprs.in_segments(scanned)))(jnp.array([0.3, 0.4]))
    np.testing.assert_allclose(mapped[0], plain[0, 1], rtol=1e-5)


def length_of_longest(jaxpr):
    lengths = [0]
    for equation in jaxpr.eqns:
        if equation.primitive is _jaxprs.primitives.scan_p:
            lengths.append(equation.params["length"])
        lengths += map(length_of_longest, _jaxprs.inner_jaxprs(equation))
    return max(lengths)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_no_long_loop_is_left(name):
    function = _jaxprs.in_segments(FUNCTIONS[name])
    # Of 49 steps there are seven segments of seven, of 50 six of eight and two more.
    assert length_of_longest(jax.make_jaxpr(jax.grad(function))(0.3)) <= 15


def test_memory_grows_with_the_square_root():
    def memory(n, change):
        def run(x):
            return jnp.sum(jax.lax.fori_loop(0, n, lambda _, y: jnp.sin(y) + x, x))

        lowered = jax.jit(jax.grad(change(run))).lower(jnp.ones(1000))
        return lowered.compile().memory_analysis().temp_size_in_bytes

    plain = [memory(n, lambda f: f) for n in (400, 1600)]
    cut = [memory(n, _jaxprs.in_segments) for n in (400, 1600)]
    assert plain[1] > 3.5 * plain[0]
    assert cut[1] < 2.5 * cut[0]
    assert cut[1] < plain[1] / 10


def test_pytrees_and_keywords_are_taken():
    def function(tree, *, scale):
        return {"y": tree["x"] * scale}

    assert _jaxprs.in_segments(function)({"x": 2.0}, scale=3.0) == {"y": 6.0}
