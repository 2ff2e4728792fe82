"""A run under jit, vmap, jvp and grad."""

import functools
import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import funclearn as fl
from funclearn.models import LinearParams
from tests.training.settings import assert_close, results, some_settings


def test_compiled_whole_equals_compiled_by_itself(float64):
    function = functools.partial(results, batch_size=3)
    assert_close(
        jax.jit(function)(some_settings()), function(some_settings()), rtol=1e-11
    )


def test_fit_itself_can_be_compiled(float64):
    optimizer = optax.sgd(0.1)
    objective = fl.make_objective(fl.models.linear, fl.losses.mse)
    step, given = fl.make_train_step(objective, optimizer), some_settings()
    state = fl.init_state(given.key, given.params, optimizer)
    compiled = jax.jit(fl.fit, static_argnums=0, static_argnames="epochs")
    once = compiled(step, state, given.data, epochs=4)
    assert_close(once.history, fl.fit(step, state, given.data, epochs=4).history)


def outcome(settings, **options):
    """One number that depends on all of a run."""
    params, history = results(settings, **options)
    return (
        params.weight
        + 2 * params.bias
        + jnp.mean(history.loss)
        + jnp.mean(history.evaluation)
    )


DERIVATIVES = {
    "input noise": (np.float64(0.2), {"epochs": 6}),
    "one epoch": (None, {"epochs": 1, "make_optimizer": optax.adam}),
    "minibatches": (None, {"batch_size": 3, "make_optimizer": optax.adam}),
}


def along(function, settings):
    """A function of the way along one direction in all numbers at once."""
    rng = np.random.default_rng(9)
    numbers = settings._replace(key=None)
    direction = jax.tree.map(
        lambda leaf: jnp.asarray(rng.normal(size=leaf.shape)), numbers
    )

    def on_the_way(way):
        moved = jax.tree.map(lambda leaf, d: leaf + way * d, numbers, direction)
        return function(moved._replace(key=settings.key))

    return on_the_way


def central_difference(function, step):
    above, below = (float(function(jnp.asarray(way))) for way in (step, -step))
    return (above - below) / (2 * step)


@pytest.mark.parametrize("noise, options", DERIVATIVES.values(), ids=DERIVATIVES)
@pytest.mark.slow
def test_derivatives_of_a_run_agree_with_differences(noise, options, float64):
    settings = some_settings()._replace(noise=noise)
    path = jax.jit(along(functools.partial(outcome, **options), settings))
    zero = jnp.asarray(0.0)
    _, forward = jax.jit(lambda way: jax.jvp(path, (way,), (jnp.ones(()),)))(zero)
    backward = jax.jit(jax.grad(path))(zero)
    np.testing.assert_allclose(forward, central_difference(path, 1e-6), rtol=1e-7)
    np.testing.assert_allclose(backward, forward, rtol=1e-10)


def test_grad_reaches_every_number_of_a_run(float64):
    given = some_settings()._replace(noise=jnp.asarray(0.2))
    grads = jax.jit(jax.grad(lambda numbers: outcome(numbers._replace(key=given.key))))(
        given._replace(key=None)
    )
    assert jax.tree.structure(grads) == jax.tree.structure(given._replace(key=None))
    assert all(jnp.all(leaf != 0) for leaf in jax.tree.leaves(grads))


def least_squares(data):
    design = np.stack([data.inputs, np.ones(len(data.inputs))], axis=1)
    return np.linalg.lstsq(design, data.targets, rcond=None)[0], design


@pytest.mark.parametrize("epochs", [1, 8])
@pytest.mark.slow
def test_the_line_s_derivatives_are_those_of_its_closed_form(epochs, float64):
    """With Hessian H and minimum p*, p_T - p* = (I - r H)^T (p_0 - p*)."""
    data = some_settings().data
    start, rate = LinearParams(jnp.asarray(2.0), jnp.asarray(1.0)), 0.1

    def final(learning_rate, start):
        optimizer = optax.sgd(learning_rate)
        objective = fl.make_objective(fl.models.linear, fl.losses.mse)
        step = fl.make_train_step(objective, optimizer)
        state = fl.init_state(jax.random.key(0), start, optimizer)
        return jnp.stack(fl.fit(step, state, data, epochs=epochs).state.params)

    @jax.jit
    def derivatives(rate, start):
        first = [
            [derivative(final, argnums)(rate, start) for argnums in (0, 1)]
            for derivative in (jax.jacfwd, jax.jacrev)
        ]
        return final(rate, start), first, jax.jacfwd(jax.jacrev(final))(rate, start)

    optimum, design = least_squares(data)
    hessian = 2 * design.T @ design / len(design)
    offset = np.array(start) - optimum
    power = functools.partial(np.linalg.matrix_power, np.eye(2) - rate * hessian)
    reached, first, second = derivatives(rate, start)
    close = functools.partial(np.testing.assert_allclose, rtol=1e-9, atol=1e-12)
    close(reached, optimum + power(epochs) @ offset)
    for by_rate, by_start in first:
        close(by_rate, -epochs * hessian @ power(epochs - 1) @ offset)
        close(jnp.stack(by_start, axis=1), power(epochs))
    twice = epochs * (epochs - 1) * hessian @ hessian @ power(max(epochs - 2, 0))
    close(second, twice @ offset)


LINE_SEARCHES = {
    # Optax treats its default first scaling as a constant, whatever the gradient.
    "L-BFGS": (
        lambda rate: optax.lbfgs(rate, scale_init_precond=False, memory_size=2),
        2,
    ),
    "backtracking": (
        lambda rate: optax.chain(
            optax.sgd(rate), optax.scale_by_backtracking_linesearch(10)
        ),
        1,
    ),
}


@pytest.mark.parametrize("make, epochs", LINE_SEARCHES.values(), ids=LINE_SEARCHES)
@pytest.mark.slow
def test_a_line_search_has_forward_mode_and_says_that_it_has_no_reverse(
    make, epochs, float64
):
    function = functools.partial(outcome, make_optimizer=make, epochs=epochs)
    path, zero = jax.jit(along(function, some_settings())), jnp.asarray(0.0)
    _, forward = jax.jvp(path, (zero,), (jnp.ones(()),))
    np.testing.assert_allclose(forward, central_difference(path, 1e-6), rtol=1e-6)
    np.testing.assert_allclose(jax.jacfwd(path)(zero), forward, rtol=1e-12)
    with pytest.raises(ValueError, match=r"optimizer has a line search.*jax\.jvp"):
        jax.grad(path)(zero)


@pytest.mark.parametrize("rule", [None, fl.stopping.patience(2)])
@pytest.mark.slow
def test_a_run_on_labels_and_keys_is_differentiable(rule):
    labels, key = jnp.array([0, 1, 2, 1]), jax.random.key(3)
    inputs = jax.random.normal(key, (4, 2))

    def objective(params, batch, _):
        scores = batch.inputs @ params + jax.random.normal(key, (1, 3))
        return fl.losses.cross_entropy(scores, batch.targets)

    def final(params):
        optimizer = optax.sgd(0.1)
        step = fl.make_train_step(objective, optimizer)
        state = fl.init_state(key, params, optimizer)
        data = fl.Dataset(inputs, labels)
        return fl.fit(step, state, data, epochs=3, stop=rule).history.loss[-1]

    start = jnp.zeros((2, 3))
    direction = jax.random.normal(jax.random.key(1), start.shape)
    slope = jnp.sum(jax.grad(final)(start) * direction)
    size = 1e-2
    rise = final(start + size * direction) - final(start - size * direction)
    np.testing.assert_allclose(slope, rise / (2 * size), rtol=1e-3)


MAPPED_RUN = """
import jax, jax.numpy as jnp, numpy as np, optax
import funclearn as fl
from jax.sharding import AxisType, PartitionSpec as P
mesh = jax.make_mesh((2,), ("rows",), axis_types=(AxisType.Auto,))
optimizer, data = optax.sgd(0.01), fl.data.Scaler(input_scale=10.0)(
    fl.Dataset(*(x[:10] for x in fl.data.thermometer()))
)
step = fl.make_train_step(fl.make_objective(fl.models.linear, fl.losses.mse), optimizer)
params = fl.models.linear.init(jax.random.key(0))
state = fl.init_state(jax.random.key(0), params, optimizer)
halves = jax.tree.map(lambda x: x.reshape(2, 5), data)
each = jax.vmap(fl.make_evaluation(fl.models.linear, fl.losses.mse), (None, 0))
# The gradient with respect to what all devices share is the sum of theirs.
def total(params, rows, key):
    return jnp.sum(each(params, rows))
both = fl.make_train_step(total, optimizer)
wanted = fl.fit(both, state, halves, halves, epochs=4, evaluate=each).history.evaluation
for stop in (None, fl.stopping.target(1.0)):
    def losses(rows):
        return fl.fit(step, state, rows, epochs=4, stop=stop).history.loss[None]
    split = jax.shard_map(losses, mesh=mesh, in_specs=P("rows"), out_specs=P("rows"))
    np.testing.assert_allclose(split(data).T, wanted, rtol=1e-5)
"""


@pytest.mark.slow
def test_every_device_may_run_on_rows_of_its_own():
    subprocess.run(
        [sys.executable, "-c", MAPPED_RUN],
        check=True,
        env=os.environ | {"XLA_FLAGS": "--xla_force_host_platform_device_count=2"},
        cwd=Path(fl.__file__).parents[1],
    )
