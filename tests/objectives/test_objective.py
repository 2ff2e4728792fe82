"""Objectives: what is added, and what is drawn."""

# Some of what is passed here is what the types forbid, and the tests know what
# their values are where the types leave it open.
# pyright: reportArgumentType=false

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funclearn as fl
from tests.objectives.settings import BATCH, ECHO, KEY, LOSS, NO_KEY, NORM, PARAMS


def test_the_objective_is_loss_plus_penalty_once():
    plain = fl.make_objective(fl.models.linear, fl.losses.mse)
    penalised = fl.make_objective(
        fl.models.linear, fl.losses.mse, penalty=fl.losses.l2(0.1)
    )
    for transform in (lambda function: function, jax.jit):
        np.testing.assert_allclose(transform(plain)(PARAMS, BATCH, KEY), LOSS)
        np.testing.assert_allclose(
            transform(penalised)(PARAMS, BATCH, KEY), LOSS + 0.1 * NORM, rtol=1e-6
        )


def test_refusals():
    with pytest.raises(ValueError, match='must not contain "loss"'):
        fl.make_evaluation(ECHO, fl.losses.mse, {"loss": fl.losses.mae})
    for noise in (-0.1, math.nan):
        with pytest.raises(ValueError, match="input_noise must not be negative; got"):
            fl.make_objective(ECHO, fl.losses.mse, input_noise=noise)


def test_without_noise_the_key_is_dead_code():
    objective = fl.make_objective(fl.models.linear, fl.losses.mse)
    program = str(jax.make_jaxpr(objective)(PARAMS, BATCH, KEY))
    assert "random" not in program and "threefry" not in program


@pytest.mark.usefixtures("plain_annotations")
def test_without_noise_the_key_may_be_left_out():
    objective = fl.make_objective(fl.models.linear, fl.losses.mse)
    np.testing.assert_allclose(objective(PARAMS, BATCH, NO_KEY), LOSS)


def seen_inputs(noise, inputs, key):
    """The inputs that a model sees, by a loss that returns them."""
    objective = fl.make_objective(
        ECHO, lambda predictions, targets: predictions, input_noise=noise
    )
    return objective(jnp.zeros(()), fl.Dataset(inputs, inputs), key)


@pytest.mark.usefixtures("plain_annotations")
def test_noise_has_mean_0_the_given_deviation_and_no_correlation():
    noise, shape = 0.3, (3000, 2)
    inputs = jnp.full(shape, 5.0)
    errors = np.asarray(seen_inputs(noise, inputs, KEY)) - 5
    n = errors.size
    assert abs(errors.mean()) < 4 * noise / math.sqrt(n)
    assert abs(errors.std() - noise) < 4 * noise / math.sqrt(2 * n)
    assert abs(np.corrcoef(errors.T)[0, 1]) < 4 / math.sqrt(shape[0])


@pytest.mark.usefixtures("plain_annotations")
def test_noise_is_a_function_of_the_key():
    inputs = jnp.zeros(5)
    one, same, other = (
        seen_inputs(1.0, inputs, jax.random.key(seed)) for seed in (1, 1, 2)
    )
    assert jnp.array_equal(one, same)
    assert not jnp.any(one == other)


@pytest.mark.usefixtures("plain_annotations")
def test_noise_may_be_traced_and_falls_on_integers_too():
    inputs = jnp.arange(4)
    levels = jnp.array([0.0, 1.0, 2.0])
    seen = jax.jit(jax.vmap(lambda noise: seen_inputs(noise, inputs, KEY)))(levels)
    assert jnp.array_equal(seen[0], inputs.astype(float))
    np.testing.assert_allclose(seen[2] - seen[0], 2 * (seen[1] - seen[0]), rtol=1e-5)


def test_noise_costs_a_line_its_variance_times_the_squared_weight():
    # E[(w (x + e) + b - y)²] = (w x + b - y)² + w² σ²
    noise, n_draws = 0.5, 4000
    objective = fl.make_objective(fl.models.linear, fl.losses.mse, input_noise=noise)
    keys = jax.random.split(KEY, n_draws)
    losses = np.asarray(
        jax.jit(jax.vmap(objective, (None, None, 0)))(PARAMS, BATCH, keys)
    )
    expected = LOSS + (2 * noise) ** 2
    assert abs(losses.mean() - expected) < 4 * losses.std() / math.sqrt(n_draws)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_objective_and_evaluation_keep_the_dtype(dtype, float64):
    params, batch = jax.tree.map(lambda leaf: leaf.astype(dtype), (PARAMS, BATCH))
    objective = fl.make_objective(
        fl.models.linear, fl.losses.mse, penalty=fl.losses.l1(0.1), input_noise=0.1
    )
    evaluate = fl.make_evaluation(fl.models.linear, fl.losses.mse)
    assert objective(params, batch, KEY).dtype == dtype
    assert evaluate(params, batch).dtype == dtype


@pytest.mark.usefixtures("plain_annotations")
def test_noise_is_one_number():
    with pytest.raises(ValueError, match=r"input_noise must be one number .*\(3,\)"):
        fl.make_objective(fl.models.linear, fl.losses.mse, input_noise=jnp.ones(3))


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "float16", "float64"])
@pytest.mark.usefixtures("plain_annotations")
def test_noise_falls_on_inputs_of_every_dtype(dtype):
    inputs = np.ones(2000).astype(dtype)
    for kind in (np.asarray, jnp.asarray):
        errors = np.asarray(seen_inputs(0.5, kind(inputs), KEY), np.float64) - 1
        assert abs(errors.std() - 0.5) < 0.05 and abs(errors.mean()) < 0.05
