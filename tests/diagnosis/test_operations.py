"""The operation that makes finite numbers into others is found wherever it is."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funclearn.diagnosis._divergence import DivergenceCause
from funclearn.diagnosis._operations import (
    fatal_operation,
    first_not_finite_operation,
    not_finite,
)
from funclearn.diagnosis._reruns import Rerun
from funclearn.training import StepInfo, TrainState

KEY = jax.random.key(0)


@jax.custom_jvp
def own_log(x):
    return jnp.log(x)


own_log.defjvps(lambda slope, value, x: slope / x)

INSIDE = {
    "plain": lambda function: function,
    "jitted": jax.jit,
    "nested": lambda function: jax.jit(lambda x: jax.jit(function)(x) + 1),
    "mapped": jax.vmap,
    "checkpointed": jax.checkpoint,
}


@pytest.mark.parametrize("inside", INSIDE)
@pytest.mark.parametrize(
    "function, at, name, low, high, overflows",
    [
        (jnp.exp, [1.0, 100.0], "exp", 1.0, 100.0, True),
        (jnp.log, [-2.0, 3.0], "log", -2.0, 3.0, False),
        (own_log, [0.0, 3.0], "log", 0.0, 3.0, False),
        (jnp.sqrt, [-2.0, 3.0], "sqrt", -2.0, 3.0, False),
        (lambda x: 1 / x, [0.0, 3.0], "div", 0.0, 3.0, False),
        (lambda x: x**1.5, [-2.0, 3.0], "pow", -2.0, 3.0, False),
        (lambda x: x**8, [1.0, 1e6], "integer_pow", 1.0, 1e6, True),
        (lambda x: x**-2, [0.0, 1.0], "integer_pow", 0.0, 1.0, False),
        (lambda x: x * 1e38, [1.0, 50.0], "mul", 1.0, 1e38, True),
    ],
)
def test_finds_it(function, at, name, low, high, overflows, inside):
    function = INSIDE[inside](function)
    found = first_not_finite_operation(function, jnp.float32(at))
    assert found is not None
    assert (found.name, found.overflows) == (name, overflows)
    np.testing.assert_allclose([found.low, found.high], [low, high], rtol=1e-6)
    assert str(found).startswith(f"{name} of numbers from {low:.4g} to")


def test_the_first_one_counts():
    found = first_not_finite_operation(
        lambda x: jnp.log(jnp.exp(x) - jnp.exp(x)), jnp.float32(100)
    )
    assert found is not None
    assert found.name == "exp"


def test_what_is_not_finite_before_is_no_operation():
    assert first_not_finite_operation(jnp.exp, jnp.float32(jnp.nan)) is None
    assert first_not_finite_operation(jnp.exp, jnp.float32(1)) is None


@pytest.mark.parametrize("at, tells", [(1e6, True), (1e13, False)])
def test_numbers_that_had_grown_before_say_nothing(at, tells):
    found = first_not_finite_operation(lambda x: x**8, jnp.float32(at))
    assert found is not None
    assert found.tells is tells


def stay(state, batch):
    return state, StepInfo(jnp.mean(batch), state.params)


def problem(objective, params, train):
    state = TrainState(jnp.float32(params), (), KEY, jnp.int32(0))
    return Rerun(objective, stay, state, jnp.float32(train), 3, None), state


def squares(params, batch, key):
    del key
    return jnp.nanmean(batch) * jnp.sum(params**2)


def root(params, batch, key):
    del key
    return jnp.mean(batch) * jnp.sqrt(jnp.sum(params**2))


@pytest.mark.parametrize(
    "objective, params, train, cause, part",
    [
        (root, [1.0, 2.0], [1.0, jnp.nan], DivergenceCause.DATA, ""),
        (root, [jnp.nan], [1.0], DivergenceCause.START, "themselves"),
        (squares, [1e30], [1.0], DivergenceCause.START, "integer_pow"),
        (root, [0.0, 0.0], [1.0], DivergenceCause.GRADIENT, "div of numbers"),
    ],
)
def test_what_is_not_finite_without_a_step(objective, params, train, cause, part):
    found = not_finite(*problem(objective, params, train))
    assert found is not None
    assert found[0] is cause
    assert part in found[1]


def test_what_a_mask_hides_does_no_harm():
    assert not_finite(*problem(squares, [1.0], [1.0, jnp.nan])) is None


def test_the_fatal_operation_is_that_at_the_bad_state():
    def objective(params, batch, key):
        return jnp.mean(batch) * jnp.log(params)

    rerun, state = problem(objective, 1.0, [1.0])
    assert fatal_operation(rerun, state) is None
    found = fatal_operation(rerun, state._replace(params=jnp.float32(-3)))
    assert str(found) == "log of numbers from -3 to -3"
    assert fatal_operation(rerun, state._replace(params=jnp.float32(jnp.inf))) is None
