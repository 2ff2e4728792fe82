"""Functions are called with what they take."""

import functools

import jax
import pytest

from funclearn._signatures import takes_keyword, with_key


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


@pytest.mark.parametrize(
    ("function", "takes"),
    [
        (lambda a, evaluation: a, True),
        (lambda a, *, evaluation=None: a, True),
        (jax.jit(lambda a, *, evaluation: a), True),
        (functools.partial(lambda a, evaluation: a, 1), True),
        (lambda a, **more: a, False),  # it may not know what to do with it
        (lambda a: a, False),
        (print, False),
    ],
)
def test_a_keyword_is_taken_by_its_name(function, takes):
    assert takes_keyword(function, "evaluation") is takes
