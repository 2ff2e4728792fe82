"""The memory of L-BFGS beside the dense BFGS matrix."""

import jax
import jax.numpy as jnp
import numpy as np

from funclearn.optimizers import _lbfgs_memory as lbfgs_memory

ROWS = np.random.default_rng(0).normal(size=(2, 5, 4))
STEPS = ROWS[0]
DIFFERENCES = STEPS * [1.0, 2.0, 5.0, 9.0] + 0.1 * ROWS[1]


def inverse_hessian(steps, differences):
    """The BFGS updates of a scaled identity, as dense matrices."""
    last = differences[-1] @ steps[-1] / (differences[-1] @ differences[-1])
    matrix = last * np.eye(len(steps[0]))
    for step, difference in zip(steps, differences, strict=True):
        product = difference @ step
        left = np.eye(len(step)) - np.outer(step, difference) / product
        matrix = left @ matrix @ left.T + np.outer(step, step) / product
    return matrix


def filled(steps, differences, size):
    memory = lbfgs_memory.forget(jnp.zeros(4), size)
    for step, difference in zip(steps, differences, strict=True):
        memory = lbfgs_memory.remembered(
            memory, jnp.asarray(step), jnp.asarray(difference)
        )
    return memory


def test_the_direction_is_that_of_the_dense_matrix(float64):
    gradient = np.array([1.0, -2.0, 3.0, 0.5])

    @jax.jit
    def directions():
        memories = [filled(STEPS, DIFFERENCES, size) for size in (3, 5, 8)]
        return [lbfgs_memory.descent(one, jnp.asarray(gradient)) for one in memories]

    for got, kept in zip(directions(), (3, 5, 5), strict=True):
        matrix = inverse_hessian(STEPS[-kept:], DIFFERENCES[-kept:])
        np.testing.assert_allclose(got, -matrix @ gradient, rtol=1e-10)


def test_without_pairs_it_is_minus_the_gradient():
    memory = lbfgs_memory.forget(jnp.zeros(2), 3)
    direction = lbfgs_memory.descent(memory, jnp.array([1.0, -2.0]))
    np.testing.assert_array_equal(direction, [-1, 2])


def test_pairs_of_no_curvature_are_left_out_and_have_finite_derivatives():
    @jax.jit
    def after(step):
        memory = lbfgs_memory.forget(jnp.zeros(2), 2)
        return lbfgs_memory.remembered(memory, step, jnp.array([0.0, -1.0]))

    for step in ([0.0, 1.0], [0.0, -1e-11], [0.0, 0.0]):
        memory = after(jnp.array(step))
        assert not np.any(memory.steps) and memory.scale == 1
    memory = after(jnp.array([0.0, -2.0]))
    np.testing.assert_array_equal(memory.steps[-1], [0, -2])
    assert (memory.inverses[-1], memory.scale) == (0.5, 2)
    slopes = jax.jit(jax.jacrev(after))(jnp.zeros(2))
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(slopes))


def test_products_are_of_full_precision():
    got = lbfgs_memory.dot(jnp.array([1.0, 2.0]), jnp.array([3.0, -1.0]))
    assert got == 1
