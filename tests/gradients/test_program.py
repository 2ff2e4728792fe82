"""Traced functions in their own precision."""

import gc
import weakref

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funclearn.gradients._program import program_of

X = np.array([0.3, -1.7, 2.9], np.float32)


@jax.custom_jvp
def doubled(x):
    return 2 * x


doubled.defjvp(lambda primals, tangents: (doubled(*primals), 2 * tangents[0]))


@jax.custom_vjp
def tripled(x):
    return 3 * x


tripled.defvjp(lambda x: (tripled(x), None), lambda _, cotangent: (3 * cotangent,))

FUNCTIONS = {
    "plain": lambda x: jnp.tanh(x) @ x,
    "rules": lambda x: doubled(tripled(x)) + jax.nn.relu(x),
    "jitted rule": lambda x: jax.jit(doubled)(x) + 0.1,
    "rule in a checkpoint": lambda x: jax.checkpoint(lambda y: doubled(y) ** 2)(x),
    "rule in a loop": lambda x: jax.lax.fori_loop(0, 3, lambda _, y: tripled(y), x),
    "constants": lambda x: doubled(x) * np.array([1, 2, 3], np.float32) + jnp.arange(3),
    "half precision": lambda x: tripled(x.astype(jnp.float16)),
    "gradient of a rule": jax.grad(lambda x: jnp.sum(tripled(x) ** 2)),
    "structure": lambda x: {"a": doubled(x), "b": (x, jnp.sum(x))},
}


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_a_program_gives_what_the_function_gives(function):
    program, expected = program_of(function, X, x64=False), function(X)
    for x64 in (False, True):
        with jax.enable_x64(x64):
            found = program(X)
        assert jax.tree.structure(found) == jax.tree.structure(expected)
        for ours, theirs in zip(*map(jax.tree.leaves, (found, expected)), strict=True):
            assert ours.dtype == theirs.dtype
            np.testing.assert_array_equal(ours, theirs)


def test_all_arguments_are_parameters_unless_they_are_named():
    assert program_of(jnp.add, X, X, x64=False).params == range(2)
    assert program_of(jnp.add, X, X, x64=False, params=range(1)).params == range(1)


def test_a_function_may_be_of_64_bits():
    def function(x):
        return x + jnp.ones(3)

    for x64, dtype in ((False, np.float32), (True, np.float64)):
        (result,) = program_of(function, X, x64=x64).jaxpr.out_avals
        assert result.dtype == dtype


@pytest.mark.parametrize("wrap", [lambda f: f, jax.jit, jax.checkpoint])
def test_what_is_made_of_a_program_has_no_rules(wrap):
    program = program_of(wrap(lambda x: doubled(tripled(x)) - jnp.sin(x)), X, x64=False)
    assert "custom_" in str(program.jaxpr)
    assert "custom_" not in str(jax.make_jaxpr(program)(X))


def test_the_program_outlives_the_function_and_does_not_hold_it():
    def function(x):
        return jnp.sin(x)

    program, seen = program_of(function, X, x64=False), weakref.ref(function)
    del function
    gc.collect()
    assert seen() is None
    np.testing.assert_array_equal(program(X), jnp.sin(X))
