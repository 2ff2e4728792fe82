"""Naming values."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funclearn as fl
from funclearn import _words

NAMES = {
    "an array": (jnp.ones((2, 3)), "float32[2,3]"),
    "a scalar": (jnp.int32(1), "int32[]"),
    "of NumPy": (np.zeros(4), "float64[4]"),
    "a number": (2.5, "2.5"),
    "text": ("a" * 1000, "'aaaaaaaaaaaa...aaaaaaaaaaaaa'"),
    "nothing": (None, "None"),
    "a function": (fl.data.split, "the function split"),
    "a builtin": (len, "the function len"),
    "a class": (dict, "the class dict"),
    "a model": (fl.models.linear, "a Model"),
    "a list": ([0] * 1000, "a list"),
}


@pytest.mark.parametrize("value, name", NAMES.values(), ids=NAMES)
def test_values_are_named_in_a_few_words(value, name):
    assert _words.described(value) == name


def test_a_traced_value_is_named_by_its_type():
    names = []
    jax.jit(lambda x: names.append(_words.described(x)))(jnp.ones(3))
    assert names == ["float32[3]"]
