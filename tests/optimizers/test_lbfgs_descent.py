"""How an update of L-BFGS ends."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks.marks import QUICK
from funclearn.optimizers._lbfgs import lbfgs
from funclearn.optimizers._lbfgs_descent import Settings, start_descent

CURVATURES = np.array([1.0, 3.0, 10.0], np.float32)


def bowl(x):
    return jnp.sum(CURVATURES * x**2) / 2


def after(start, updates=1, **how):
    """Where some updates end, and after each the numbers of iterations so far."""
    optimizer: Any = lbfgs(**{"history_size": 3, **how})

    def step(carry, _):
        x, state = carry
        change, state = optimizer.update(jax.grad(bowl)(x), state, x, value_fn=bowl)
        counts = jnp.stack([state.iterations, state.evaluations])
        return (x + change, state), counts

    (x, _), counts = jax.lax.scan(step, (start, optimizer.init(start)), length=updates)
    return x, counts


def test_updates_end_where_their_settings_say():
    """Lanes: of neither tolerance, of each, and where no descent is left."""
    grad = jnp.array([-1.0, 100.0, -1.0, -1.0])
    change = jnp.array([-1.0, -1.0, 5.0, 200.0])

    @functools.partial(jax.jit, compiler_options=QUICK)
    def counts():
        def ended(grad, change):
            how = {"tolerance_grad": grad, "tolerance_change": change}
            return after(jnp.ones(3), max_iter=5, max_eval=4, **how)[1][0]

        few = after(jnp.ones(3), max_iter=3, max_eval=99)[1][0]
        return jax.vmap(ended)(grad, change), few

    ended, few = counts()
    np.testing.assert_array_equal(ended, [[3, 4], [0, 1], [1, 2], [1, 1]])
    np.testing.assert_array_equal(few, [3, 3])


def test_the_first_step_is_shortened_by_the_sum_of_the_gradient():
    starts = jnp.array([[1.0], [0.01], [0.0]]) * jnp.ones((3, 3))
    x, counts = jax.jit(jax.vmap(lambda x: after(x, 2, max_iter=1, lr=0.5)))(starts)
    first, _ = jax.jit(jax.vmap(lambda x: after(x, max_iter=1, lr=0.5)))(starts)
    np.testing.assert_allclose(first[0], 1 - 0.5 * CURVATURES / 14, rtol=1e-6)
    np.testing.assert_allclose(first[1], 0.01 - 0.005 * CURVATURES, rtol=1e-6)
    # Where the gradient is zero nothing but the evaluations is counted.
    assert not np.any(first[2]) and not np.any(x[2])
    np.testing.assert_array_equal(counts[0], [[1, 1], [2, 2]])
    np.testing.assert_array_equal(counts[2], [[0, 1], [0, 2]])


@pytest.mark.parametrize("largest, active", [(0.1, True), (1e-8, False)])
def test_a_descent_begins_unless_the_gradient_is_small(largest, active):
    state: Any = lbfgs().init(jnp.zeros(2))
    settings = Settings(20, 25, 1e-7, 1e-9, searches=False)
    gradient = jnp.array([0.0, -largest])
    run = start_descent(state, jnp.zeros(2), 3.0, gradient, settings)
    assert (bool(run.active), run.evaluations, run.iteration) == (active, 1, 0)
