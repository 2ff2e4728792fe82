"""Steps that are found by what the function does."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funclearn.gradients._problem import pose, take_apart
from funclearn.gradients._sampling import finite_differences
from funclearn.gradients._search import Doubts, refined


def search(objective, params, slopes=None, *, order=1):
    """Differences of an objective, refined until their error is below a thousandth.

    Args:
        objective: of the parameters.
        params: where.
        slopes: what a gradient under test says.
        order: of the differences.
    """
    rounds = []

    def doubts(found):
        rounds.append(found)
        sizes = np.maximum(np.abs(found.values), 1e-300)
        visible = np.full(sizes.shape, np.inf)
        if slopes is not None:
            wrong = np.abs(found.values - slopes) > 1e-3 * np.abs(slopes)
            visible = np.where(wrong, 1e-15 / np.maximum(np.abs(slopes), 1e-9), np.inf)
        return Doubts(~(found.bounds <= 1e-3 * sizes), visible)

    with jax.enable_x64(True):
        problem = pose(jnp.array(params), None, None, order=order, limit=10, seed=0)
        function = take_apart(lambda p, _: objective(p))
        first, _ = finite_differences(problem, function)
        return refined(problem, function, first, doubts), rounds


def test_one_round_is_enough_where_the_size_is_the_scale():
    found, rounds = search(lambda p: jnp.sum(jnp.sin(p)), [0.5, -1.5, 2.0])
    np.testing.assert_allclose(found.values, np.cos([0.5, -1.5, 2.0]), rtol=1e-9)
    assert len(rounds) == 1


@pytest.mark.parametrize("unit", [1e-6, 1e-9, 1e-14])
@pytest.mark.parametrize("shape", [jnp.sin, jnp.tanh, jnp.arctan])
@pytest.mark.slow
def test_a_zero_among_large_numbers_takes_smaller_steps(shape, unit):
    def objective(p):
        return shape(p[0] / unit + 0.25) + shape(p[1] / 1e8)

    found, rounds = search(objective, [0.0, 1e8])
    with jax.enable_x64(True):
        exact = float(jax.grad(shape)(jnp.float64(0.25))) / unit
    assert abs(found.values[0] - exact) <= found.bounds[0] <= 1e-3 * exact
    assert len(rounds) > 1


@pytest.mark.parametrize("unit", [1e6, 1e14])
def test_a_zero_among_small_numbers_takes_larger_steps(unit):
    found, rounds = search(
        lambda p: jnp.sin(p[0] / unit + 0.25) + jnp.sin(1e8 * p[1]), [0.0, 1e-8]
    )
    exact = np.cos(0.25) / unit
    assert abs(found.values[0] - exact) <= found.bounds[0] <= 1e-3 * exact
    assert len(rounds) > 1


def test_steps_end_where_nothing_is_left_to_be_seen():
    found, rounds = search(lambda p: 1e6 + 1e-9 * jnp.sum(jnp.sin(p)), [0.5, 2.0])
    assert np.all(found.bounds > 1e-3 * 1e-9)
    # One round of larger steps, since noise is what hides it, and the next ones.
    assert len(rounds) <= 4


def test_a_gradient_under_test_tells_where_to_look():
    # A bump so narrow that all samples of the first steps are on flat ground.
    def objective(p):
        x = p[0] / 1e-9
        return x * jnp.exp(-(x**2)) + jnp.sin(p[1] / 1e8)

    params = [0.0, 1e8]
    _, (blind, *_) = search(objective, params)
    assert blind.values[0] == 0
    found, _ = search(objective, params, np.array([1e9, np.cos(1.0) / 1e8]))
    assert abs(found.values[0] - 1e9) <= found.bounds[0] < 1


def test_a_domain_that_ends_nearby_is_no_edge():
    near = np.float64(-1 + 2.0**-30)
    found, rounds = search(lambda p: jnp.sum(jnp.log1p(p)), [float(near), 0.5])
    assert found.values[0] == pytest.approx(2.0**30, rel=1e-6)
    assert not found.sides.any()
    assert len(rounds) > 1


def test_the_second_order_has_one_direction_and_its_steps():
    _, rounds = search(lambda p: jnp.sum(jnp.abs(p)), [0.0, 1.0], order=2)
    assert len(rounds) == 0
