"""Copies, held leaves, jaxprs and loops of a user's function."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.core import Tracer

from funclearn.testing._calls import (
    copies,
    is_jitted,
    is_traceable,
    is_used_key,
    jit_holding,
    line_of,
    name_of,
    to_jaxpr,
    traced_anew,
    vmap_and_loop,
)


def double(x):
    return 2 * x


def test_names():
    assert name_of(double) == name_of(jax.jit(double)) == "double"
    assert name_of(functools.partial(double)) == "partial"


class Jitted:
    """A class whose methods are jitted, as users decorate them."""

    @functools.partial(jax.jit, static_argnums=0)
    def __call__(self, x):
        return 2 * x

    @functools.partial(jax.jit, static_argnums=0)
    def step(self, x):
        return 2 * x

    def around(self, x):
        return self.step(x)


JITTED = {
    "jit": (jax.jit(double), True),
    "nnx": (nnx.jit(double), True),
    "partial": (functools.partial(functools.partial(jax.jit(double))), True),
    "method": (Jitted().step, True),
    "object": (Jitted(), True),
    "plain": (double, False),
    "vmap": (jax.vmap(jax.jit(double)), False),
    "around": (Jitted().around, False),
    "class": (Jitted, False),
    "partial of plain": (functools.partial(double), False),
}


@pytest.mark.parametrize("case", JITTED.values(), ids=JITTED)
def test_what_calls_nothing_but_a_result_of_jit_is_jitted(case):
    function, expected = case
    assert is_jitted(function) == expected


TRACEABLE = [
    (jnp.ones(3), True),
    (np.ones(3), True),
    (jax.random.key(0), True),
    (1.0, True),
    (True, True),
    (jax.ShapeDtypeStruct((3,), np.float64), True),
    ("text", False),
    (double, False),
    (np.array("text"), False),
    (None, False),
]


@pytest.mark.parametrize(("leaf", "expected"), TRACEABLE)
def test_is_traceable(leaf, expected):
    assert is_traceable(leaf) == expected


def test_used_keys():
    with jax.debug_key_reuse(True):
        key = jax.random.key(0)
        keys = jax.random.split(key, (2, 3))
        assert is_used_key(key)
        jax.random.normal(keys[0, 1])
        assert is_used_key(keys)
        assert not is_used_key(jax.random.key(0))
        assert not is_used_key(jnp.ones(3))
        assert not is_used_key("key")


def test_copies_are_equal_and_apart():
    args = ({"a": jnp.ones(2), "b": np.zeros(2)}, 3.0, "text", double)
    copied = copies(args)
    assert copied[0]["a"] is not args[0]["a"]
    copied[0]["b"] += 1
    assert args[0]["b"].tolist() == [0, 0]
    assert copied[0]["a"].tolist() == [1, 1]
    assert copied[1:] == args[1:]


def test_a_jaxpr_has_the_leaves_with_a_shape_as_arguments():
    def function(tree, how, rate):
        assert how == "fast" and rate == 0.5
        return tree["x"] * rate + tree["n"]

    stand_in = jax.ShapeDtypeStruct((2,), np.float64)
    jaxpr = to_jaxpr(function, ({"n": np.arange(2), "x": stand_in}, "fast", 0.5))
    assert [str(aval) for aval in jaxpr.in_avals] == ["int32[2]", "float32[2]"]
    assert [aval.shape for aval in jaxpr.out_avals] == [(2,)]


def test_jit_leaves_jitted_functions_alone():
    jitted = jax.jit(double)
    assert jit_holding(jitted, (1.0,)) is jitted
    assert is_jitted(jit_holding(double, (1.0,)))


def test_leaves_that_jit_cannot_take_are_static():
    traced = []

    def function(call, tree):
        traced.append(tree["x"])
        return call(tree["x"]) if tree["how"] == "call" else tree["x"]

    tree = {"x": 2.0, "how": "call"}
    jitted = jit_holding(function, (double, tree))
    assert jitted(double, tree) == 4
    assert jitted(double, tree | {"x": 3.0}) == 6
    assert len(traced) == 1 and isinstance(traced[0], Tracer)
    assert jitted(double, tree | {"how": "skip"}) == 2
    assert len(traced) == 2


def test_what_is_traced_anew_is_kept_for_later_calls():
    traced = []
    jitted = jax.jit(lambda x: traced.append(x) or x)
    jitted(1.0)
    with traced_anew():
        jitted(1.0)
        jitted(1.0)
        assert len(traced) == 2
    jitted(1.0)
    assert len(traced) == 2
    with traced_anew():
        jitted(1.0)
    assert len(traced) == 3


AXES = {
    "one for all": (0, lambda tree, y, i: (tree["x"][i], y[i])),
    "each": (({"x": 1}, 0), lambda tree, y, i: (tree["x"][:, i], y[i])),
    "shared": ((None, 0), lambda tree, y, i: (tree["x"], y[i])),
    "last": ([-1, 0], lambda tree, y, i: (tree["x"][:, i], y[i])),
}


@pytest.mark.parametrize("name", AXES)
def test_vmap_and_loop_give_the_same(name):
    in_axes, example = AXES[name]
    x, y = jnp.arange(9.0).reshape(3, 3), jnp.array([1.0, 10.0, 100.0])

    def function(tree, y, how):
        assert how == "sum"
        return {"out": jnp.sum(tree["x"]) + y}

    axes = in_axes if in_axes == 0 else (*in_axes, None)
    batched, alone = vmap_and_loop(function, ({"x": x}, y, "sum"), axes)
    alone = list(alone)
    assert len(alone) == 3
    for index, one in enumerate(alone):
        row, number = example({"x": x}, y, index)
        np.testing.assert_allclose(one["out"], row.sum() + number)
        np.testing.assert_allclose(batched["out"][index], one["out"])


def test_a_batch_without_results_has_no_examples():
    batched, alone = vmap_and_loop(lambda x: None, (jnp.ones(3),), 0)
    assert batched is None and list(alone) == []


def reuse(key):
    first = jax.random.normal(key)
    return first + jax.random.uniform(key)


@pytest.mark.parametrize("wrap", [lambda function: function, jax.jit])
def test_the_line_of_an_error_is_that_of_the_second_use(wrap):
    with jax.debug_key_reuse(True), pytest.raises(jax.errors.KeyReuseError) as caught:
        wrap(reuse)(jax.random.key(0))
    line = reuse.__code__.co_firstlineno + 2
    source = "return first + jax.random.uniform(key)"
    assert line_of(caught.value) == f"{__file__}:{line}: {source}"
