"""Penalties against NumPy, and their refusals."""

# Some of what is passed here is what the types forbid, and the tests know what
# their values are where the types leave it open.
# pyright: reportArgumentType=false

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funclearn as fl


@pytest.mark.parametrize("penalty", [fl.losses.l1, fl.losses.l2])
@pytest.mark.parametrize("strength", [-1e-9, math.nan])
def test_penalties_refuse_a_negative_strength(penalty, strength):
    with pytest.raises(ValueError, match="strength must not be negative; got"):
        penalty(strength)


TREE = {"a": jnp.array([[1.0, -2.0], [0.5, 0.0]]), "b": (jnp.float32(-3),)}
FLAT = np.array([1.0, -2.0, 0.5, 0.0, -3.0])
PENALTIES = {
    "l1": (fl.losses.l1, np.abs(FLAT).sum(), np.sign(FLAT)),
    "l2": (fl.losses.l2, (FLAT**2).sum(), 2 * FLAT),
}


@pytest.mark.parametrize("penalty, size, slope", PENALTIES.values(), ids=PENALTIES)
@pytest.mark.parametrize("strength", [0, 0.1, 3])
def test_penalties_sum_over_every_leaf(penalty, size, slope, strength):
    value, grads = jax.value_and_grad(penalty(strength))(TREE)
    np.testing.assert_allclose(value, strength * size, rtol=1e-6)
    flat = np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(grads)])
    np.testing.assert_allclose(flat, strength * slope, rtol=1e-6)


@pytest.mark.parametrize("penalty, size, slope", PENALTIES.values(), ids=PENALTIES)
def test_a_strength_may_be_traced(penalty, size, slope):
    strengths = jnp.array([0.0, 0.5, 2.0])
    values = jax.jit(jax.vmap(lambda strength: penalty(strength)(TREE)))(strengths)
    np.testing.assert_allclose(values, size * strengths, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["bfloat16", "float32", "float64"])
def test_penalties_keep_the_dtype_of_the_parameters(dtype, float64):
    tree = jax.tree.map(lambda leaf: leaf.astype(dtype), TREE)
    for penalty in (fl.losses.l1(0.5), fl.losses.l2(0.5)):
        assert jax.eval_shape(penalty, tree).dtype == dtype


@pytest.mark.parametrize(
    "params, error, message",
    [
        ({"a": jnp.ones(2, int)}, TypeError, r"params\['a'\] must be floating"),
        (1j * jnp.ones(2), TypeError, "params must be floating-point.*complex64"),
        ({}, ValueError, "params must have at least one leaf"),
    ],
    ids=["integers", "complex", "nothing"],
)
def test_penalties_are_of_floats(params, error, message):
    for penalty in (fl.losses.l1(0.5), fl.losses.l2(0.5)):
        with pytest.raises(error, match=message):
            penalty(params)
