"""What depends on what: the same answers from every version of JAX."""

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from funclearn import _jaxprs

X = jnp.array([0.5, -1.0, 2.0])


@jax.custom_jvp
def doubled(x, y):
    return 2 * x, y


doubled.defjvp(lambda primals, tangents: (doubled(*primals), tangents))


def scanned(x, y):
    """The first part of the carry takes up the second after two steps."""

    def step(carry, row):
        _, second, third = carry
        return (second, third, third), row

    return lax.scan(step, (y, y, x), jnp.zeros(4))


def counted(x, y):
    return lax.while_loop(
        lambda c: c[0] < 3, lambda c: (c[0] + 1, c[1] * 2, c[2] + 1), (0, x, y)
    )


def stopped(x, y):
    return lax.while_loop(
        lambda c: c[1].sum() < 3, lambda c: (c[0] + 1, c[1] + 1, 2 * c[2]), (0, x, y)
    )


# By hand: which of the results depend on x.
PROGRAMS = {
    "data": (lambda x, y: (x + y, y * 2, x, 3.0), [True, False, True, False]),
    "call": (lambda x, y: jax.jit(lambda a, b: (b, a))(x, y), [False, True]),
    "checkpoint": (jax.checkpoint(lambda x, y: (y, jnp.sin(x))), [False, True]),
    "rule": (doubled, [True, False]),
    "operation": (lambda x, y: lax.sort((y, x)), [True, True]),
    "branches": (
        lambda x, y: lax.cond(y[0] > 0, lambda: (x, y), lambda: (y, y)),
        [True, False],
    ),
    "chosen branch": (
        lambda x, y: lax.cond(x[0] > 0, lambda: (y, 2 * y), lambda: (2 * y, y)),
        [True, True],
    ),
    "scan": (scanned, [True, True, True, False]),
    "loop": (counted, [False, True, False]),
    "loop that x ends": (stopped, [True, True, True]),
    "mapped loop that x ends": (
        lambda x, y: jax.vmap(
            lambda a: lax.while_loop(lambda c: c < a, lambda c: c + 1, 0)
        )(x),
        [True],
    ),
    "solve": (
        lambda x, y: lax.custom_linear_solve(
            lambda v: v * y, y, lambda _, v: v / x, symmetric=True
        ),
        [True],
    ),
}


@pytest.mark.parametrize(("function", "expected"), PROGRAMS.values(), ids=PROGRAMS)
def test_results_depend_on_an_argument(function, expected):
    jaxpr = jax.make_jaxpr(function)(X, X)
    assert _jaxprs.depends(jaxpr, [True, False]) == expected
    assert not any(_jaxprs.depends(jaxpr, [False, False]))


def test_the_carry_depends_on_what_any_step_adds():
    jaxpr = jax.make_jaxpr(lambda c, x, y, row: (y, row, c * x))(1.0, 2.0, 3.0, 4.0)
    assert _jaxprs.carried(jaxpr, [], [False] * 3, [True]) == [True, True, True]
    assert _jaxprs.carried(jaxpr, [True], [False] * 2, [False]) == [False, False]
    jaxpr = jax.make_jaxpr(lambda c, x, y: (y, x + c))(1.0, 2.0, 3.0)
    assert _jaxprs.carried(jaxpr, [True], [False] * 2) == [True, True]
    assert _jaxprs.carried(jaxpr, [False], [True, False]) == [True, True]


def led(function, names):
    """The names of the arguments that lead to an operation."""
    jaxpr = jax.make_jaxpr(function)(*[X] * 3)
    found = _jaxprs.leading(
        jaxpr,
        [False] * len(jaxpr.out_avals),
        lambda equation: equation.primitive.name in names,
    )
    return "".join(
        name
        for name, variable in zip("xyz", jaxpr.jaxpr.invars, strict=True)
        if variable in found
    )


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x, y, z: (jnp.sin(x), y + 1, z), ""),
        (lambda x, y, z: (jnp.floor(2 * x), y + 1, z), "x"),
        (lambda x, y, z: jnp.floor(jnp.sin(x) + y) * z, "xy"),
        (jax.jit(lambda x, y, z: (x, jnp.floor(y), z)), "y"),
        (lambda x, y, z: jnp.floor(jax.jit(lambda a, b: (b, a))(x, y)[0]) + z, "y"),
        (lambda x, y, z: lax.fori_loop(0, 2, lambda _, c: c + y, x) + z, "xy"),
    ],
)
def test_what_leads_to_an_operation(function, expected):
    assert led(function, {"floor"}) == expected


def test_results_lead_to_themselves():
    jaxpr = jax.make_jaxpr(lambda x, y: (2 * x, y, 3.0))(X, X)
    x, y = jaxpr.jaxpr.invars
    found = _jaxprs.leading(jaxpr, [True, False, True], lambda _: False)
    assert x in found and y not in found
