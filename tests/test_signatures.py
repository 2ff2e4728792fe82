"""Functions of two arguments and of three are called alike."""

import functools

import jax

from funclearn._signatures import with_key


def test_a_function_of_three_arguments_is_given_the_key():
    def objective(params, batch, key):
        return params, batch, key

    assert with_key(objective)(1, 2, 3) == (1, 2, 3)
    assert with_key(jax.jit(objective))(1, 2, 3) == (1, 2, 3)
    assert with_key(lambda *args: args)(1, 2, 3) == (1, 2, 3)


def test_a_function_of_two_arguments_is_not():
    def objective(params, batch, *, scale=1):
        return params * scale, batch

    assert with_key(objective)(1, 2, 3) == (1, 2)
    assert with_key(functools.partial(objective, scale=5))(1, 2, 3) == (5, 2)


def test_a_key_with_a_default_counts_as_an_argument():
    assert with_key(lambda params, batch, key=None: key)(1, 2, 3) == 3
