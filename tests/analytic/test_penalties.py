"""The gradients of penalties, and their sums with those of losses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funclearn as fl
from funclearn import analytic, losses, models

PENALTIES = {"l1": (losses.l1, analytic.l1), "l2": (losses.l2, analytic.l2)}
penalties = pytest.mark.parametrize("loss, gradient", PENALTIES.values(), ids=PENALTIES)


@penalties
def test_a_penalty_is_its_autodiff(loss, gradient, assert_close, float64):
    params = {"a": jnp.asarray([1.5, -2.0, 0.0]), "b": [jnp.asarray(-0.25)]}
    assert_close(gradient(0.3)(params), jax.grad(loss(0.3))(params), 1e-15)


@penalties
def test_a_penalty_refuses_a_negative_strength(loss, gradient):
    with pytest.raises(ValueError, match="strength must not be negative; got -1"):
        gradient(-1)


# A model, the shapes of its parameters, inputs and targets, and the loss's gradient.
MODELS = {
    "plane": (models.affine(3), [(3,), ()], (9, 3), (9,), analytic.linear_mse),
    "wide net": (
        models.wide_net,
        [(1, 512), (512,), (512, 1), (1,)],
        (9, 1),
        (9, 1),
        analytic.wide_net_mse,
    ),
}


@pytest.mark.parametrize(
    "model, shapes, inputs, targets, closed_form", MODELS.values(), ids=MODELS
)
def test_penalties_add_to_any_closed_form(
    model, shapes, inputs, targets, closed_form, assert_close, float64
):
    rng = np.random.default_rng(0)
    kind = models.WideNetParams if len(shapes) > 2 else models.LinearParams
    params = kind(*(jnp.asarray(rng.normal(size=shape)) for shape in shapes))
    batch = fl.Dataset(
        jnp.asarray(rng.normal(size=inputs)), jnp.asarray(rng.normal(size=targets))
    )
    elastic = analytic.penalised(closed_form, analytic.l1(0.1), analytic.l2(0.01))

    def objective(params):
        penalty = losses.l1(0.1)(params) + losses.l2(0.01)(params)
        predictions = model.apply(params, batch.inputs)
        return losses.mse(predictions, batch.targets) + penalty

    got = jax.jit(elastic)(params, batch)
    assert_close(got, jax.jit(jax.grad(objective))(params), 1e-12)


def test_penalised_passes_the_key_on():
    def noise(params, batch, key):
        return jax.random.normal(key, params.shape)

    params, key = jnp.ones(3), jax.random.key(0)
    got = analytic.penalised(noise, analytic.l2(1.0))(params, None, key)
    np.testing.assert_allclose(got, jax.random.normal(key, (3,)) + 2, rtol=1e-6)


def test_penalised_without_a_penalty_is_the_closed_form():
    gradient = analytic.penalised(lambda params, batch: batch * params)
    assert gradient(jnp.float32(3), jnp.float32(2)) == 6


def test_a_penalty_takes_a_traced_strength():
    def slope(strength):
        return analytic.l2(strength)(jnp.float32(3))

    assert jax.jit(slope)(0.5) == 3
