"""Which way the chain rule goes, and what is done where there is one way only."""

# What is passed here the types allow to be meant otherwise, and the tests know what
# their results are where the types leave it open.
# pyright: reportArgumentType=false, reportCallIssue=false
# pyright: reportOptionalMemberAccess=false

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import funclearn as fl
from funclearn.hypergradients import checkpointed
from funclearn.hypergradients._modes import derivative, scalar
from tests.hypergradients.runs import KEY, descend, shrink


def run(point):
    return shrink(jnp.sum(point["rates"] ** 2), 1.0)


@pytest.mark.parametrize(
    ("count", "mode"), [(1, "forward"), (4, "forward"), (5, "reverse")]
)
def test_few_numbers_go_forwards(count, mode):
    rates = jnp.full(count, 0.1)
    found = derivative(run, {"rates": rates}, count, None)
    assert found.mode == mode
    assert f"{'up to' if mode == 'forward' else 'above'} 4" in found.reason
    expected = -20 * (1 - 0.01 * count) ** 19 * 0.2
    np.testing.assert_allclose(found.slopes["rates"], np.full(count, expected), 1e-5)


def test_leaves_of_several_types_and_shapes(float64):
    point = {"a": jnp.float32(2.0), "b": jnp.ones((2, 1)), "c": 3.0}

    def product(point):
        return point["a"] * jnp.sum(point["b"] * jnp.array([[1.0], [5.0]])) * point["c"]

    for mode in ("forward", "reverse"):
        slopes = derivative(product, point, 4, mode).slopes
        assert slopes["a"].dtype == jnp.float32 and slopes["b"].dtype == jnp.float64
        assert (slopes["a"], slopes["c"]) == (18.0, 12.0)
        np.testing.assert_array_equal(slopes["b"], [[6.0], [30.0]])


@jax.custom_vjp
def backwards_only(x):
    return x * x


backwards_only.defvjp(lambda x: (x * x, x), lambda x, change: (2 * x * change,))


def forwards_only(x):
    return jax.lax.while_loop(lambda y: y < 10, lambda y: y * x, x)


def test_the_only_way_is_taken():
    found = derivative(lambda point: backwards_only(point["x"]), {"x": 3.0}, 1, None)
    assert (found.mode, found.slopes["x"]) == ("reverse", 6.0)
    assert "no derivative in forward mode" in found.reason
    many = {"x": jnp.full(5, 0.4)}
    found = derivative(lambda point: forwards_only(jnp.sum(point["x"])), many, 5, None)
    assert found.mode == "forward" and "no derivative in reverse" in found.reason
    np.testing.assert_allclose(found.slopes["x"], np.full(5, 4 * 2.0**3), rtol=1e-6)
    with pytest.raises(ValueError, match="mode must be 'forward' for this run"):
        derivative(lambda point: forwards_only(point["x"]), {"x": 2.0}, 1, "reverse")


def test_a_line_search_goes_forwards_over_any_number():
    """Against the difference of two searches."""
    search = optax.scale_by_backtracking_linesearch(9)
    optimizer = optax.chain(optax.sgd(1.0), search)
    data = fl.Dataset(jnp.ones((1, 1)), jnp.zeros(1))

    def objective(params, batch, key):
        return jnp.sum((params - 3.0) ** 4) + 0.0 * jnp.sum(batch.inputs)

    @jax.jit
    def end(point):
        state = fl.init_state(KEY, jnp.sum(point["start"]), optimizer)
        step = fl.make_train_step(objective, optimizer)
        params = fl.fit(step, state, data, epochs=1).state.params
        return params + 0 * point["start"][0]

    found = derivative(end, {"start": jnp.full(5, 1.1)}, 5, None)
    assert found.mode == "forward" and "line search" in found.reason
    ends = [end({"start": jnp.full(5, 1.1 + move)}) for move in (-1e-2, 1e-2)]
    slope = (ends[1] - ends[0]) / 0.1
    np.testing.assert_allclose(found.slopes["start"], np.full(5, slope), rtol=1e-2)


def test_a_run_that_fails_says_so_itself():
    def broken(point):
        raise ValueError("its own message")

    with pytest.raises(ValueError, match="its own message"):
        derivative(broken, {"x": 1.0}, 1, None)


def test_checkpoints_change_no_bit_of_the_value():
    start, stop = jnp.array([1.0, -3.0]), fl.stopping.target(0.3)

    def run(rate):
        return descend(rate, start, stop=stop)

    value, slope = jax.jit(jax.value_and_grad(checkpointed(run)))(0.1)
    plain = jax.jit(run)
    assert value == plain(0.1)
    np.testing.assert_allclose(slope, jax.grad(plain)(0.1), rtol=1e-5)


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (jnp.ones(3), ValueError, r"got shape \(3,\)"),
        (jnp.int32(3), TypeError, r"floating-point scalar.*int32"),
        (None, TypeError, "got None"),
        (fl.Dataset(1.0, 2.0), TypeError, "got a Dataset"),
    ],
)
def test_runs_return_a_number(value, error, message):
    with pytest.raises(error, match=message):
        scalar(value)
    assert scalar(1.5) == 1.5
