"""Which results were not rounded, held against arithmetic of fractions."""

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.extend.core import Literal

from funclearn import _jaxprs
from funclearn.gradients._exactness import (
    ADD_PRODUCTS,
    is_exact,
    is_touchy,
    never_rounds,
)


def only_equation(function, *args):
    (equation,) = jax.make_jaxpr(function)(*args).eqns
    return equation


def judged(function, *args):
    """Whether each result of an operation in float64 is called exact; its results."""
    with jax.enable_x64(True):
        args = [jnp.asarray(x, jnp.result_type(x, float)) for x in args]
        equation = only_equation(function, *args)

        def judge(*args):
            given = iter(args)
            operands = [
                _jaxprs.literal(atom) if isinstance(atom, Literal) else next(given)
                for atom in equation.invars
            ]
            (result,) = _jaxprs.bind(equation, operands)
            seen = None if equation.primitive.name in ADD_PRODUCTS else result
            exact = is_exact(equation, operands, seen)
            return jnp.broadcast_to(exact, result.shape), result

        return [*map(np.asarray, jax.jit(judge)(*args))]


def numbers(seed):
    """Pairs of numbers of few digits and of many, near and far apart."""
    rng = np.random.default_rng(seed)
    shape = (400,)
    full, short = rng.normal(size=shape), np.round(rng.normal(size=shape) * 64) / 64
    single = rng.normal(size=shape).astype(np.float32).astype(float)
    powers = 2.0 ** rng.integers(-60, 60, shape)
    kinds = np.array([full, short, single, powers, single * powers, np.zeros(shape)])
    return [kinds[rng.integers(len(kinds), size=400), np.arange(400)] for _ in range(2)]


EXACTLY = {
    "add": (lax.add, lambda x, y: x + y),
    "sub": (lax.sub, lambda x, y: x - y),
    "mul": (lax.mul, lambda x, y: x * y),
    "div": (lax.div, lambda x, y: x / y),
}


@pytest.mark.parametrize(("operation", "exactly"), EXACTLY.values(), ids=EXACTLY)
def test_arithmetic_is_exact_where_fractions_say_so(operation, exactly):
    x, y = numbers(0)
    y = np.where((operation is lax.div) & (y == 0), 1.0, y)
    found, results = judged(operation, x, y)
    truth = np.array(
        [
            exactly(Fraction(a), Fraction(b)) == Fraction(c)
            for a, b, c in zip(x, y, results, strict=True)
        ]
    )
    assert not np.any(found & ~truth)
    assert 30 < np.sum(truth) < 370
    # Products of one factor with few digits and one with many are not seen, sums all.
    seen = np.sum(found) / np.sum(truth)
    assert seen == 1 if operation in (lax.add, lax.sub) else seen > 0.7


@pytest.mark.parametrize("power", [2, 3, 5, -1, -2, 0])
def test_powers(power):
    x = np.array([3.0, 0.75, 2.0, 0.1, 12345.0, 1e5 + 1 / 1024])
    found, results = judged(lambda x: lax.integer_pow(x, power), x)
    truth = [
        Fraction(a) ** power == Fraction(b) for a, b in zip(x, results, strict=True)
    ]
    assert not np.any(found & ~np.array(truth))
    assert found[2] and found[0] == (power >= 0)


def test_roots():
    found, _ = judged(lax.sqrt, np.array([9.0, 2.25, 2.0, 0.1, 0.0, 1e10]))
    assert found.tolist() == [True, True, False, False, True, True]


@pytest.mark.parametrize(
    ("function", "exact"),
    [(lax.exp, [0]), (lax.log, [1]), (lax.cos, [0]), (lax.atan, [0]), (lax.acos, [1])],
)
def test_elementary_functions_have_few_values_of_few_digits(function, exact):
    places = np.array([0.0, 1.0, 0.5, 1e-9])
    found, results = judged(function, places)
    assert places[found & np.isfinite(results)].tolist() == exact


@pytest.mark.parametrize(
    ("terms", "exact"),
    [
        ([1.0, 2.0, 3.0, 0.5], True),
        ([1e15, 1.0, -1e15], True),
        ([1e16, 1.0, -1e16], False),
        ([0.1, 0.2, 0.3], False),
        ([2.0**-70, 2.0**-71], True),
        ([0.0, 0.0], True),
    ],
)
def test_sums_of_multiples_of_one_unit(terms, exact):
    terms = np.array(terms)
    assert np.all(judged(lambda x: lax.cumsum(x), terms)[0] == exact)
    assert np.all(
        judged(lambda x: lax.reduce_sum_p.bind(x, axes=(0,), out_sharding=None), terms)[
            0
        ]
        == exact
    )


@pytest.mark.parametrize(
    ("x", "exact"),
    [([3.0, -2.0, 5.0], True), ([0.5, 0.25, 100.0], True), ([0.1, 1.0, 2.0], False)],
)
def test_sums_of_products(x, exact):
    x = np.array(x)
    found, result = judged(lambda x, y: lax.dot(x, y), np.outer(x, x), x)
    assert np.all(found == exact)
    fractions = [Fraction(a) for a in x]
    truth = [sum(a * b * b for b in fractions) for a in fractions]
    assert [Fraction(a) for a in result] == truth or not exact


def test_what_never_rounds():
    x, z = jnp.ones(3), jnp.ones(3) + 1j
    for function in (lax.neg, lax.floor, lax.sort, lambda x: lax.rem(x, x)):
        assert never_rounds(only_equation(lambda x, f=function: f(x), x))
    assert never_rounds(only_equation(lax.abs, x))
    assert not never_rounds(only_equation(lax.abs, z))
    assert not never_rounds(only_equation(lax.sin, x))


def test_jumps_and_edges_are_touchy():
    x = jnp.ones(3)
    touchy = [
        *(lax.floor, lax.sqrt, lax.log, lax.acos, lambda x: x > 0, lax.lgamma),
        *(lambda x: x.astype(int), lax.is_finite, lambda x: lax.argmax(x, 0, int)),
    ]
    smooth = [lax.sin, lax.neg, lambda x: x + x, lambda x: lax.max(x, x)]
    assert all(is_touchy(only_equation(function, x)) for function in touchy)
    assert not any(is_touchy(only_equation(function, x)) for function in smooth)
    assert not is_touchy(only_equation(lambda i: i + 1, jnp.arange(3)))


def test_a_sum_is_not_taken_apart_by_the_compiler():
    """XLA makes x of (x + 1e16) - 1e16, by which every sum would look exact."""
    found, _ = judged(lambda x: x + 1e16, np.array([2.0, 1.0, 0.1]))
    assert found.tolist() == [True, False, False]
