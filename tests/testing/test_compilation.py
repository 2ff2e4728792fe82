"""The assertion that calls share one compilation, and the causes that it names."""

import functools
import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from funclearn.testing import assert_compiles_once
from funclearn.testing._compilation import counting_compilations


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=["weight", "activation"],
    meta_fields=["name"],
)
@dataclass
class Module:
    """A module that is a pytree, as equinox's are: functions are leaves of it."""

    weight: Any
    activation: Callable[..., Any] = jnp.tanh
    name: str = "neuron"

    def __call__(self, inputs):
        return self.activation(self.weight * inputs)


def test_numbers_and_keys_may_vary():
    def step(rate, params, key):
        return params - rate * jax.random.normal(key, params.shape)

    calls = [
        (rate, jnp.ones(3), jax.random.key(seed))
        for seed, rate in enumerate([0.1, 2.0])
    ]
    assert_compiles_once(step, *calls)
    assert_compiles_once(jax.jit(step), *calls)


def test_a_jitted_function_may_have_been_called_before():
    jitted = jax.jit(lambda x: x + 1)
    jitted(jnp.ones(3))
    assert_compiles_once(jitted, (jnp.ones(3),), (jnp.zeros(3),))


RECOMPILED = {
    "shape": (
        [({"x": jnp.ones(3)},), ({"x": jnp.ones(4)},)],
        "arguments[0]['x'] is float32[4], and was float32[3]",
    ),
    "dtype": (
        [(jnp.ones(3),), (jnp.ones(3, int),)],
        "arguments[0] is int32[3], and was float32[3]",
    ),
    "weak type": (
        [(jnp.asarray(1.0, jnp.float32),), (1.0,)],
        "arguments[0] is float32[], a Python number's weak type, and was float32[]",
    ),
    "structure": ([([1.0],), ((1.0,),)], "and were PyTreeDef(([*],))"),
}


@pytest.mark.parametrize("calls, words", RECOMPILED.values(), ids=RECOMPILED)
@pytest.mark.parametrize("wrap", [lambda f: f, jax.jit])
def test_a_compilation_names_its_cause(wrap, calls, words, fails):
    def double(tree):
        return jax.tree.map(lambda leaf: 2 * leaf, tree)

    message = fails(assert_compiles_once, wrap(double), *calls)
    assert "double is compiled anew in call 1 (counted from 0): " in message
    assert words in message and "Usual causes" in message


def test_a_static_argument_that_is_a_new_object(fails):
    apply = jax.jit(lambda function, x: function(x), static_argnums=0)
    first, second = (lambda x: x + 1), (lambda x: x + 1)
    message = fails(assert_compiles_once, apply, (first, 1.0), (second, 2.0))
    assert re.search(r"arguments\[0\] is <function .*>, and was <function .*>", message)


def test_a_static_argument_without_a_lasting_hash(fails):
    class Settings:
        hashes = itertools.count()

        def __hash__(self):
            return next(self.hashes)

    scaled = jax.jit(lambda settings, x: 2 * x, static_argnums=0)
    # Of 128 hashes JAX's table takes one for another: of several calls one is seen.
    message = fails(assert_compiles_once, scaled, *[(Settings(), 1.0)] * 4)
    assert re.search(
        r"call \d \(counted from 0\): the arguments are of the same", message
    )


def test_a_function_among_the_leaves_is_static(fails):
    def call(module, x):
        return module(x)

    one, other = Module(jnp.ones(())), Module(jnp.zeros(()))
    assert_compiles_once(call, (one, 1.0), (other, 2.0))
    message = fails(assert_compiles_once, call, (one, 1.0), (Module(1.0, abs), 1.0))
    assert "call 1" in message


def test_compiling_without_arguments_is_refused():
    with pytest.raises(ValueError, match="at least one tuple"):
        assert_compiles_once(lambda x: x)


def test_compilations_are_counted_while_the_context_lasts():
    jitted = jax.jit(lambda x: jnp.sin(x) + 1)
    x = jnp.ones(7)
    with counting_compilations() as first:
        jitted(x)
    with counting_compilations() as second:
        jitted(x)
    jitted(jnp.ones(8))
    assert first and not second
    assert all(event.startswith("/jax/core/compile/") for event in first)


def test_counting_ends_with_an_error():
    with pytest.raises(ZeroDivisionError), counting_compilations() as events:
        _ = 1 / 0
    jax.jit(lambda x: jnp.cos(x) - 1)(jnp.ones(9))
    assert not events
