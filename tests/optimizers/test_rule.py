"""What holds for every optimizer, whatever its rule."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import funclearn as fl
from benchmarks.torch_runs import once
from funclearn import sweeps
from funclearn.optimizers._rule import make_optimizer
from tests.optimizers.settings import MAKERS, start, step

# Updates and states of any type, where optax names many.
optimizers: Any = fl.optimizers

NUMBERS = (0.05, 0.8, 0.1)
OTHERS = (0.02, 0.6, 0.3)
H = 1e-6
STEPS = 20
makers = pytest.mark.parametrize("name", MAKERS)


def run(numbers):
    """The last parameters of all optimizers, in a dictionary as their numbers are."""

    def advance(carry, _):
        moved = {
            name: step(MAKERS[name](*numbers[name]), params, state)
            for name, (params, state) in carry.items()
        }
        return moved, None

    carry = {
        name: (start(), make(*numbers[name]).init(start()))
        for name, make in MAKERS.items()
    }
    carry, _ = jax.lax.scan(advance, carry, length=STEPS)
    return {name: params for name, (params, _) in carry.items()}


def size(params):
    return jnp.sum(jnp.cosh(params + 0.5))


@pytest.fixture(scope="module")
def found():
    """Ends of runs in lanes with tangents by one number each, and gradients."""

    def along(numbers, direction):
        together = dict.fromkeys(MAKERS, tuple(numbers))
        directions = dict.fromkeys(MAKERS, tuple(direction))
        return jax.jvp(run, (together,), (directions,))

    def slopes(numbers):
        together = dict.fromkeys(MAKERS, tuple(numbers))
        return jax.grad(lambda given: sum(map(size, run(given).values())))(together)

    with jax.enable_x64(True):
        moves = np.concatenate([H * np.eye(3), -H * np.eye(3)])
        lanes = jnp.array([*(np.array(NUMBERS) + moves), *[NUMBERS] * 3, OTHERS])
        directions = jnp.array([*np.eye(3), *np.eye(3), *np.eye(3), np.ones(3)])
        ends, tangents = once(jax.vmap(along), lanes, directions)
        gradients = once(slopes, jnp.array(NUMBERS))
        return jax.tree.map(np.asarray, (ends, tangents, gradients))


@makers
@pytest.mark.slow
def test_derivatives_of_a_run_are_finite_and_right(name, found):
    """Some gradients are zero in all steps, where roots have no derivative."""
    ends, tangents, gradients = (one[name] for one in found)
    tangents, gradients = tangents[6:9], np.array(gradients)
    by_tangents = np.sum(np.sinh(ends[6] + 0.5) * tangents, axis=(1, 2))
    assert np.all(np.isfinite(gradients)) and np.any(gradients != 0)
    np.testing.assert_allclose(gradients, by_tangents, rtol=1e-4, atol=1e-9)
    if name != "muon":  # whose differences are those of roundings to bfloat16
        differences = (ends[:3] - ends[3:6]) / (2 * H)
        np.testing.assert_allclose(tangents, differences, rtol=1e-4, atol=1e-6)


@makers
@pytest.mark.slow
def test_mapped_traced_and_compiled_is_a_loop_over_numbers(name, found, float64):
    optimizer, params = MAKERS[name](*OTHERS), start()
    state = optimizer.init(params)
    for _ in range(STEPS):
        params, state = step(optimizer, params, state)
    # Of muon a sum in another order may round to another bfloat16.
    tolerance = 1e-2 if name == "muon" else 1e-9
    np.testing.assert_allclose(found[0][name][-1], params, tolerance, tolerance)
    assert state.count == STEPS


def test_half_precision_is_moved_in_float32():
    def moved(slope, dtype):
        params = start(dtype)
        made = {name: make(*NUMBERS) for name, make in MAKERS.items()}
        states = {name: one.init(params) for name, one in made.items()}
        grads = slope.astype(dtype) * params
        return {
            name: (states[name], one.update(grads, states[name], params))
            for name, one in made.items()
        }

    def both(slope):
        return {half: moved(slope, jnp.dtype(half)) for half in ("float16", "bfloat16")}

    # The square of the second is zero in float16.
    found = once(jax.vmap(both), jnp.array([0, 1e-4]))
    for half, by_name in found.items():
        for name, (before, (change, state)) in by_name.items():
            assert change.dtype == half and np.all(np.isfinite(change)), name
            assert np.any(change[1] != 0), name
            for leaf in jax.tree.leaves(state.memory):
                assert leaf.dtype == jnp.float32 and np.all(np.isfinite(leaf)), name
            assert jax.tree.structure(state) == jax.tree.structure(before)


def halved(grad, param, memory, t, *, lr, ratio):
    return -lr * ratio * grad, {"sum": memory["sum"] + t * grad}


SIMPLE: Any = make_optimizer(
    halved, {"sum": jnp.zeros_like}, {"lr": lambda count: 0.1 * (count + 1), "ratio": 2}
)


def test_a_rule_sees_its_numbers_at_its_step():
    params = {"a": jnp.ones(2), "b": (jnp.float32(2), None)}
    _, state = SIMPLE.update(params, SIMPLE.init(params))
    change, state = SIMPLE.update(params, state)
    np.testing.assert_allclose(change["a"], -0.4 * np.ones(2), rtol=1e-6)
    np.testing.assert_allclose(change["b"][0], -0.8, rtol=1e-6)
    np.testing.assert_allclose(state.memory["sum"]["b"][0], 2 + 4)
    assert state.count == 2 and jnp.result_type(state.count) == jnp.int32


def test_masked_and_chained_with_others():
    params = {"a": jnp.full(2, 3.0), "b": jnp.full(2, 4.0)}
    inner = optimizers.sgd(1.0, momentum=0.5, weight_decay=0.5)
    optimizer: Any = optax.chain(
        optax.clip_by_global_norm(1.0), optax.masked(inner, {"a": True, "b": False})
    )
    change, state = optimizer.update(params, optimizer.init(params), params)
    clipped = 1 / np.sqrt(2 * 9 + 2 * 16)
    np.testing.assert_allclose(change["a"], -(3 * clipped + 1.5), rtol=1e-6)
    np.testing.assert_allclose(change["b"], 4 * clipped, rtol=1e-6)
    buffer = optax.tree_utils.tree_get(state, "momentum_buffer")
    assert len(jax.tree.leaves(buffer)) == 1


def test_nothing_to_move():
    for name, make in MAKERS.items():
        optimizer = make(*NUMBERS)
        change, state = optimizer.update({}, optimizer.init({}), {})
        assert change == {} and state.count == 1, name


def test_absent_parameters_are_refused_where_they_are_read():
    grads = {"a": jnp.ones(2)}
    for optimizer in (optimizers.adamw(), optimizers.asgd()):
        with pytest.raises(ValueError, match="params must be given"):
            optimizer.update(grads, optimizer.init(grads))
    optimizer = optimizers.adam()
    change, _ = optimizer.update(grads, optimizer.init(grads))
    np.testing.assert_allclose(change["a"], -1e-3, rtol=1e-5)


def test_parameters_that_are_no_floats_are_refused():
    with pytest.raises(TypeError, match=r"params\['n'\] must be floating-point"):
        optimizers.sgd().init({"n": jnp.arange(3)})


CLIMBERS = """sgd adam adamw adamax nadam radam adadelta adagrad adafactor rmsprop
rprop asgd sparse_adam""".split()


def test_going_up_is_going_down_the_negative():
    grads, params = jnp.array([1.0, -2.0]), jnp.array([0.5, 0.25])

    def moved(sign, **direction):
        made = {name: getattr(optimizers, name)(**direction) for name in CLIMBERS}
        return {
            name: one.update(sign * grads, one.init(params), params)[0]
            for name, one in made.items()
        }

    up, down = once(lambda: (moved(-1, maximize=True), moved(1)))
    for name in CLIMBERS:
        np.testing.assert_allclose(up[name], down[name], rtol=1e-6, err_msg=name)
        assert np.all(down[name] * grads < 0)


def test_a_sweep_over_learning_rates():
    objective = fl.make_objective(fl.models.linear, fl.losses.mse)
    params = fl.models.LinearParams(jnp.float32(1), jnp.float32(0))

    def once(lr):
        optimizer = optimizers.rprop(lr)
        state = fl.init_state(jax.random.key(1), params, optimizer)
        step = fl.make_train_step(objective, optimizer)
        return fl.fit(step, state, fl.data.thermometer(), epochs=4).state.params

    rates = np.array([1e-3, 1e-2])
    swept = sweeps.sweep(once, {"lr": jnp.array(rates)}).result
    # Far from the minimum no sign changes: steps of 1, 1.2, 1.44, 1.728 rates.
    np.testing.assert_allclose(swept.weight, 1 - rates * 5.368, rtol=1e-5)
    np.testing.assert_allclose(swept.bias, -rates * 5.368, rtol=1e-5)
