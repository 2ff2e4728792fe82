"""Assertions on users' functions: each says yes to good ones and no to bad ones."""

import functools
import itertools
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen, nnx
from jax.core import Tracer

import funclearn as fl
from funclearn.testing import (
    assert_compiles_once,
    assert_deterministic,
    assert_no_key_reuse,
    assert_same_under_jit,
    assert_vmap_equals_loop,
)
from funclearn.testing._compilation import counting_compilations

KEY = jax.random.key(0)
RANDOM = np.random.default_rng(0)


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


class State(NamedTuple):
    params: dict
    key: jax.Array


NETWORK = linen.Dense(2)


PARAMS = {
    "params": {
        "kernel": jnp.asarray(RANDOM.normal(size=(3, 2)), jnp.float32),
        "bias": jnp.asarray(RANDOM.normal(size=2), jnp.float32),
    }
}


def draw(key, inputs):
    noise_key, next_key = jax.random.split(key)
    noise = jax.random.normal(noise_key, inputs.shape)
    return State({"sum": jnp.sum(inputs + noise)}, next_key)


GOOD = {
    "lambda": (lambda x: jnp.sum(x**2), jnp.arange(4.0)),
    "jitted": (jax.jit(lambda x: jnp.exp(x)), jnp.arange(4.0)),
    "flax": (NETWORK.apply, PARAMS, jnp.ones((5, 3))),
    "pytree module": (lambda m, x: m(x), Module(jnp.asarray(2.0)), jnp.ones(3)),
    "keys in and out": (draw, KEY, jnp.ones(3)),
    "NaN and infinities": (lambda x: (jnp.log(x), 1 / x), jnp.asarray([-1.0, 0, 2])),
    "bfloat16": (lambda x: jnp.sum(x), jnp.linspace(0, 1, 9, dtype=jnp.bfloat16)),
    "complex": (lambda x: jnp.fft.fft(x), jnp.arange(5.0)),
    "integers and booleans": (lambda x: (x + 1, x > 1), jnp.arange(3)),
    "Python numbers": (lambda x: x * 0.5, 3.0),
    "no output": (lambda x: None, 1.0),
    "NumPy in, NumPy out": (lambda x: x, np.arange(3.0)),
}


good = pytest.mark.parametrize("case", GOOD.values(), ids=GOOD)


@good
@pytest.mark.slow
def test_good_functions_pass(case):
    function, *args = case
    assert_same_under_jit(function, *args)
    assert_deterministic(function, *args)
    assert_no_key_reuse(function, *args)
    assert_compiles_once(function, tuple(args), tuple(args))


def is_traced(leaf):
    return isinstance(leaf, Tracer)


def differs_in_one_entry(x):
    return {"loss": [x, x.at[1, 0].add(0.5 if is_traced(x) else 0.0)]}


def test_jit_message_names_leaf_index_values_and_causes(fails):
    message = fails(assert_same_under_jit, differs_in_one_entry, jnp.ones((2, 2)))
    assert message.startswith(
        "differs_in_one_entry gives another result under jit: output['loss'][1][1, 0] "
        "is 1.5 under jit, but 1.0 without.\nUsual causes: "
    )


def times(factor):
    """Multiplies under jit, and only there."""
    return lambda x: x * (factor if is_traced(x) else 1.0)


@pytest.mark.parametrize(
    "dtype, slip", [("float32", 1e-5), ("float16", 1e-2), ("bfloat16", 5e-2)]
)
def test_jit_grants_rounding_and_little_more(dtype, slip, fails):
    ones = jnp.ones(3, dtype)
    assert_same_under_jit(times(1 + slip / 4), ones)
    fails(assert_same_under_jit, times(1 + slip), ones)
    assert_same_under_jit(times(1 + slip), ones, rtol=2 * slip)
    assert_same_under_jit(times(1 + slip), ones, atol=2 * slip)


def test_jit_grants_less_in_float64(float64, fails):
    ones = jnp.ones(3)
    assert_same_under_jit(times(1 + 1e-12), ones)
    fails(assert_same_under_jit, times(1 + 3e-12), ones)


UNLIKE = {
    "NaN": lambda x: jnp.where(is_traced(x), jnp.nan, x),
    "sign of infinity": lambda x: jnp.full(3, jnp.inf if is_traced(x) else -jnp.inf),
    "integer": lambda x: jnp.asarray(2**24 + is_traced(x)),
    "boolean": lambda x: jnp.asarray(is_traced(x)),
    "dtype": lambda x: x.astype(jnp.float16 if is_traced(x) else jnp.float32),
    "shape": lambda x: x[: 2 if is_traced(x) else 3],
    "structure": lambda x: (x,) if is_traced(x) else [x],
    "key": lambda x: jax.random.key(int(is_traced(x))),
}


@pytest.mark.parametrize("function", UNLIKE.values(), ids=UNLIKE)
def test_jit_tells_unlike_results(function, fails):
    fails(assert_same_under_jit, function, jnp.ones(3))


def test_jit_compares_a_jitted_function_with_itself_unjitted(fails):
    message = fails(assert_same_under_jit, jax.jit(times(2.0)), jnp.ones(3))
    assert "is 2.0 under jit, but 1.0 without" in message


def test_jit_of_python_control_flow_is_refused_with_the_cause(fails):
    message = fails(assert_same_under_jit, lambda x: x if x > 0 else -x, 1.0)
    assert "runs, but not under jit" in message and "`if`" in message


def test_arguments_that_jit_cannot_take_are_held():
    assert_same_under_jit(
        lambda f, x, how: f(x) if how == "call" else x, jnp.sin, 1.0, "call"
    )


def test_donated_arguments_survive():
    state = {"weight": jnp.ones(3)}
    step = jax.jit(lambda s: {"weight": s["weight"] * 2}, donate_argnums=0)
    assert_same_under_jit(step, state)
    assert_deterministic(step, state)
    assert_compiles_once(step, (state,), (state,))
    assert state["weight"].sum() == 3


@jax.custom_batching.custom_vmap
def centre(x):
    return x - jnp.mean(x)


@centre.def_vmap
def centre_rule(axis_size, in_batched, x):
    return x - jnp.mean(x), True


VECTORISED = {
    "scalars": (lambda x: x**2, jnp.arange(4.0)),
    "reduction": (lambda x: {"sum": jnp.sum(x)}, jnp.ones((4, 3))),
    "flax": (functools.partial(NETWORK.apply, PARAMS), jnp.ones((4, 3))),
    "keys": (draw, jax.random.split(KEY, 4), jnp.ones((4, 3))),
    "module": (lambda m: m(2.0), Module(jnp.arange(4.0))),
    "cond and while": (
        lambda x: jax.lax.while_loop(lambda y: y < 10, lambda y: 2 * y, x),
        jnp.asarray([1.0, 3, 7, 20]),
    ),
    "NaN": (jnp.log, jnp.asarray([-1.0, 0, 1])),
}


@pytest.mark.parametrize("case", VECTORISED.values(), ids=VECTORISED)
@pytest.mark.slow
def test_vmap_of_good_functions(case):
    function, *args = case
    assert_vmap_equals_loop(function, *args)


def test_vmap_takes_in_axes():
    params, inputs = {"w": jnp.ones(3)}, jnp.arange(12.0).reshape(3, 4)

    def predict(params, inputs):
        return params["w"] @ inputs

    assert_vmap_equals_loop(predict, params, inputs, in_axes=(None, 1))
    assert_vmap_equals_loop(predict, params, inputs, in_axes=({"w": None}, -1))


def test_vmap_message_names_example_leaf_index_and_values(fails):
    inputs = jnp.asarray([[1.0, 3], [5, 9]])
    message = fails(assert_vmap_equals_loop, lambda x: {"x": centre(x)}, inputs)
    assert message.startswith(
        "<lambda> gives another result under vmap, in example 0: output['x'][0] is "
        "-3.5 under vmap, but -1.0 alone.\nUsual causes: "
    )


def test_vmap_judges_every_example_by_its_own_size(fails):
    @jax.custom_batching.custom_vmap
    def identity(x):
        return x

    identity.def_vmap(lambda size, batched, x: (x + 1e-3, True))
    message = fails(assert_vmap_equals_loop, identity, jnp.asarray([1e6, 1.0]))
    assert "in example 1" in message


def test_vmap_of_a_python_random_number(fails):
    generator = random.Random(0)
    fails(assert_vmap_equals_loop, lambda x: x + generator.random(), jnp.ones(3))


def test_vmap_without_results_is_refused():
    with pytest.raises(ValueError, match="no results to compare"):
        assert_vmap_equals_loop(lambda x: None, jnp.ones(3))


def test_a_function_that_counts_its_calls(fails):
    counter = itertools.count()
    message = fails(assert_deterministic, lambda x: [x, x + next(counter)], 1.0)
    assert message.startswith(
        "<lambda> gives another result in a second call: output[1] is 2.0 in the "
        "second call, but 1.0 in the first.\nUsual causes: "
    )


def test_random_numbers_of_numpy(fails):
    generator = np.random.default_rng(0)
    fails(assert_deterministic, lambda x: x + generator.normal(size=3), jnp.ones(3))


def test_random_numbers_that_jit_has_frozen(fails):
    generator = np.random.default_rng(0)
    frozen = jax.jit(lambda x: x + generator.normal())
    assert frozen(1.0) == frozen(1.0)
    fails(assert_deterministic, frozen, 1.0)


class Around:
    """Calls what is jitted below the top."""

    def __init__(self, function):
        self.function = jax.jit(function)

    def __call__(self, x):
        return self.function(x)


class Decorated:
    """Has its method jitted."""

    def __init__(self, function):
        self.function = function

    @functools.partial(jax.jit, static_argnums=0)
    def __call__(self, x):
        return self.function(x)


def in_a_scan(function):
    jitted = jax.jit(function)
    return lambda x: jax.lax.scan(lambda c, _: (jitted(c), None), x, length=2)[0]


BELOW = {
    "partial": lambda f: functools.partial(jax.jit(f)),
    "lambda": lambda f: (lambda jitted: lambda x: jitted(x))(jax.jit(f)),
    "nnx.jit": nnx.jit,
    "class": Around,
    "method": lambda f: Around(f).__call__,
    "decorated method": Decorated,
    "twice": lambda f: jax.jit(jax.jit(f)),
    "vmap": lambda f: jax.vmap(jax.jit(f)),
    "grad": lambda f: jax.grad(lambda x: jnp.sum(jax.jit(f)(x) ** 2)),
    "scan": in_a_scan,
    "checkpoint": lambda f: jax.checkpoint(jax.jit(f)),
    "eager call among others": lambda f: (lambda j: lambda x: np.asarray(j(x)))(
        jax.jit(f)
    ),
}


@pytest.mark.parametrize("wrap", BELOW.values(), ids=BELOW)
def test_random_numbers_that_a_jit_below_the_top_has_frozen(wrap, fails):
    generator = np.random.default_rng(0)
    frozen = wrap(lambda x: x + generator.normal())
    x = jnp.ones(3)
    np.testing.assert_array_equal(frozen(x), frozen(x))
    fails(assert_deterministic, frozen, x)


@pytest.mark.parametrize("name", [name for name in BELOW if name[:5] != "eager"])
def test_jit_does_not_take_a_trace_from_below_for_the_function(name, fails):
    generator = np.random.default_rng(0)
    frozen = BELOW[name](lambda x: x + generator.normal())
    frozen(jnp.ones(3))
    fails(assert_same_under_jit, frozen, jnp.ones(3))


@pytest.mark.parametrize("wrap", BELOW.values(), ids=BELOW)
def test_what_is_pure_may_be_jitted_at_any_depth(wrap):
    function = wrap(lambda x: jnp.sin(x) + 1)
    assert_deterministic(function, jnp.ones(3))
    if wrap is not BELOW["eager call among others"]:
        assert_same_under_jit(function, jnp.ones(3))
        assert_compiles_once(function, (jnp.ones(3),), (jnp.ones(3),))


def test_vmap_of_a_number_that_a_jit_below_has_frozen(fails):
    generator = np.random.default_rng(0)
    frozen = jax.jit(lambda x: x + generator.normal())
    fails(assert_vmap_equals_loop, lambda x: 2 * frozen(x), jnp.ones(3))


@pytest.mark.slow
def test_dropout_whose_state_is_hidden_in_a_closure(fails):
    dropout = nnx.Dropout(0.5, rngs=nnx.Rngs(0))
    fails(assert_deterministic, lambda x: dropout(x), jnp.ones(20))
    # As an argument the state is the same in both calls.
    assert_deterministic(lambda module, x: module(x), dropout, jnp.ones(20))
    assert_deterministic(nnx.jit(lambda module, x: module(x)), dropout, jnp.ones(20))


def test_what_was_compiled_before_an_assertion_is_kept():
    function = jax.jit(lambda x: jnp.sin(x))
    function(1.0)
    assert_deterministic(function, 1.0)
    assert_same_under_jit(function, 1.0)
    with counting_compilations() as compilations:
        function(1.0)
    assert not compilations


def test_the_smallest_difference_counts(fails):
    values = itertools.cycle([1.0, np.nextafter(np.float32(1), np.float32(2))])
    fails(assert_deterministic, lambda: jnp.asarray(next(values), jnp.float32))


def test_an_argument_that_is_overwritten_is_given_anew():
    def overwrite(array):
        array += 1
        return array.copy()

    assert_deterministic(overwrite, np.zeros(3))


def test_results_that_are_no_arrays(fails):
    names = itertools.cycle("ab")
    message = fails(assert_deterministic, lambda: {"name": next(names)})
    assert "output['name'] is b in the second call, but a in the first" in message


def reuse_in_scan(key):
    def add(total, _):
        return total + jax.random.normal(key), None

    return jax.lax.scan(add, 0.0, length=3)[0]


def draw_after_split(state):
    first, _ = jax.random.split(state["key"])
    return jax.random.normal(first) + jax.random.normal(state["key"])


def draw_twice(key):
    first = jax.random.normal(key)
    second = jax.random.normal(key)
    return first + second


REUSED = {
    "two draws": (lambda k: jax.random.normal(k) + jax.random.uniform(k), KEY),
    "two draws under jit": (
        jax.jit(lambda k: jax.random.normal(k) + jax.random.uniform(k)),
        KEY,
    ),
    "after a split": (draw_after_split, {"key": KEY}),
    "in a loop": (reuse_in_scan, KEY),
}


@pytest.mark.parametrize("case", REUSED.values(), ids=REUSED)
def test_a_reused_key_is_found(case, fails):
    message = fails(assert_no_key_reuse, *case)
    assert "uses a key twice" in message and "Usual causes" in message
    assert re.search(rf"{__file__}:\d+: .*(random|scan)", message)
    assert len(message.splitlines()) == 3


@pytest.mark.parametrize("wrap", [lambda f: f, jax.jit])
def test_the_second_use_is_shown(wrap, fails):
    message = fails(assert_no_key_reuse, wrap(draw_twice), KEY)
    assert ": second = jax.random.normal(key)\n" in message


def keep_key(state):
    noise = jax.random.normal(state.key)
    return State({"noise": noise}, state.key)


@pytest.mark.parametrize("wrap", [lambda f: f, jax.jit])
def test_a_used_key_that_is_returned_is_found(wrap, fails):
    message = fails(assert_no_key_reuse, wrap(keep_key), State({}, KEY))
    assert "keep_key returns output.key, a key that it has used" in message


def test_used_keys_in_an_array_that_is_returned(fails):
    def draw_from_first(key):
        keys = jax.random.split(key, 3)
        return jax.random.normal(keys[0]), keys

    message = fails(assert_no_key_reuse, draw_from_first, KEY)
    assert "returns output[1]" in message
    assert_no_key_reuse(lambda key: jax.random.split(key, (2, 3)), KEY)


def test_the_keys_of_a_caller_stay_unused():
    assert_no_key_reuse(draw, KEY, jnp.ones(3))
    assert_no_key_reuse(draw, KEY, jnp.ones(3))
    with jax.debug_key_reuse(True):
        jax.random.normal(jax.random.clone(KEY))


def test_a_key_that_is_only_folded_in_may_be_returned():
    def step(state):
        noise = jax.random.normal(jax.random.fold_in(state.key, 1))
        return State({"noise": noise}, state.key)

    assert_no_key_reuse(step, State({}, KEY))


def test_raw_keys_are_refused():
    with pytest.raises(ValueError, match="Legacy uint32 key"):
        assert_no_key_reuse(lambda k: jax.random.normal(k), jax.random.PRNGKey(0))


@pytest.mark.slow
def test_a_training_step_of_this_library():
    objective = fl.make_objective(fl.models.linear, fl.losses.mse)
    step = fl.make_train_step(objective, optax.adam(1e-2))
    params = fl.models.linear.init(KEY)
    state = fl.init_state(KEY, params, optax.adam(1e-2))
    batch = fl.data.thermometer()
    later, _ = step(state, batch)
    assert_compiles_once(step, (state, batch), (later, batch))
    assert_same_under_jit(step, state, batch)
    assert_no_key_reuse(step, state, batch)
    assert_deterministic(step, state, batch)
