"""Which loops may be compiled whole, by what they compute."""

import jax
import jax.numpy as jnp
import pytest

from funclearn import _jaxprs
from funclearn._lanes import _small


def equation(function, *args):
    (one,) = jax.make_jaxpr(function)(*args).eqns
    return one


def loop(body, start=None):
    start = jnp.ones(3) if start is None else start
    return equation(lambda x: jax.lax.fori_loop(0, 5, lambda _, x: body(x), x), start)


def sized(n, m, k):
    return jnp.ones((n, m)), jnp.ones((m, k))


@pytest.mark.parametrize(
    "body, small",
    [
        (jnp.sin, True),
        (jnp.sort, False),
        (lambda x: x + jnp.fft.fft(x).real, False),
        (lambda x: jax.lax.cond(x[0] > 0, jnp.sin, jnp.cos, x), True),
        (lambda x: jax.lax.cond(x[0] > 0, jnp.sort, jnp.cos, x), False),
    ],
)
def test_a_loop_is_small_if_all_of_it_has_been_tried(body, small):
    assert _small.is_small(loop(body), 1) == small


@pytest.mark.parametrize(
    "shape, alone, together",
    [
        ((1, 5000, 1), True, False),  # a vector among its factors
        ((1, 8, 8), True, True),
        ((16, 16, 16), True, False),
        ((17, 16, 16), False, False),
        ((4, 4, 4), True, True),
        ((4, 4, 5), True, False),
    ],
)
def test_products_have_a_limit(shape, alone, together):
    product = equation(jnp.dot, *sized(*shape))
    (product,) = [x for x in _small.parts(product) if x.primitive.name == "dot_general"]
    assert _small.is_small(product, 1) == alone
    assert _small.is_small(product, 2) == together


def test_large_values_and_effects_are_not_small():
    assert not _small.is_small(loop(jnp.sin, jnp.ones(2**17)), 1)

    def effect(x):
        jax.debug.print("{}", x)
        return x

    assert not _small.is_small(loop(effect), 1)


def test_parts_are_the_equation_and_all_that_it_calls():
    names = [x.primitive.name for x in _small.parts(loop(jax.jit(jnp.sin)))]
    assert names[0] in ("while", "scan") and "sin" in names
    assert _small.is_loop(loop(jnp.sin))
    assert not _small.is_loop(equation(jnp.sin, 1.0))


def test_bytes():
    assert _small.n_bytes(jax.ShapeDtypeStruct((3, 4), jnp.float16)) == 24
    assert _small.largest_value(equation(jnp.sin, jnp.ones(6))) == 24
    assert _small.largest_value(loop(jnp.sin)) == 0
    writes = jax.make_jaxpr(lambda x: x.at[0].set(1.0))(jnp.ones(6)).eqns
    sizes = [_small.largest_value(x) for x in writes if x.primitive.name == "scatter"]
    assert sizes == [0]


@pytest.mark.parametrize("length, large", [(1000, False), (2000, True)])
def test_what_is_made_of_constants_alone_is_followed(length, large):
    def run(x):
        return jnp.pad(jnp.ones(1), (0, length))[x]

    closed = jax.make_jaxpr(run)(1)
    constants = _small.Constants()
    (result,) = _jaxprs.interpret(closed, [False], constants.follow, constants.see)
    assert not result
    assert constants.large == large


def test_a_write_is_apart_where_it_is_to_several_places():
    def places(index):
        closed = jax.make_jaxpr(lambda x: x.at[index].set(1.0))(jnp.ones((6, 2)))
        (write,) = [x for x in closed.eqns if _small.writes(x)]
        return _small.writes_apart(write)

    assert [places(index) for index in (3, (3, 1), jnp.array([1, 4]))] == [0, 0, 1]
    assert not _small.writes_apart(equation(jnp.sin, 1.0))
