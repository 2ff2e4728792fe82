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


def test_leaves_have_the_names_of_all_that_they_are_within():
    tree = {
        "a": fl.models.LinearParams(jnp.float32(1), jnp.float32(2)),
        "b": [{"c": 3}],
        "d.e": 4,
    }
    named = {"a.weight": 1, "a.bias": 2, "b.0.c": 3, "d.e": 4}
    assert _words.named_leaves(tree) == named
    assert _words.named_leaves(5) == {"": 5}
    whole = _words.named_leaves(tree, lambda node: isinstance(node, list))
    assert whole["b"] == [{"c": 3}]


def test_a_kernel_prints_what_print_does():
    class Value:
        def __str__(self):
            return "short"

        _repr_pretty_ = _words.printed

    class Printer:
        def text(self, text):
            self.shown = text

    printer = Printer()
    Value()._repr_pretty_(printer, False)
    assert printer.shown == "short"
