"""Muon: what it does to singular values, and what it refuses."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import funclearn as fl
from benchmarks.torch_runs import once

# Updates and states of any type, where optax names many.
optimizers: Any = fl.optimizers


def test_singular_values_come_near_one():
    draw = np.random.default_rng(0)
    grads = {
        "tall": jnp.asarray(draw.normal(size=(6, 3)), jnp.float32),
        "wide": jnp.asarray(draw.normal(size=(3, 6)), jnp.float32),
    }

    def changes(scale):
        made = {
            "plain": optimizers.muon(scale, weight_decay=0),
            "matched": optimizers.muon(
                scale, weight_decay=0, adjust_lr_fn="match_rms_adamw"
            ),
            "decayed": optimizers.muon(scale, weight_decay=0.5),
        }
        return {
            name: one.update(grads, one.init(grads), grads)[0]
            for name, one in made.items()
        }

    found = once(changes, jnp.float32(0.1))
    for name, ratio in (("tall", np.sqrt(2)), ("wide", 1)):
        change = np.asarray(found["plain"][name])
        values = np.linalg.svd(change, compute_uv=False)
        assert np.all((values > 0.6 * 0.1 * ratio) & (values < 1.3 * 0.1 * ratio))
        u, _, v = np.linalg.svd(-np.asarray(grads[name]), full_matrices=False)
        # The polar factor of the gradient is near, with other singular values.
        assert np.linalg.norm(change / (0.1 * ratio) - u @ v) < 0.4 * np.sqrt(3)
        np.testing.assert_allclose(
            found["matched"][name], change / ratio * 0.2 * np.sqrt(6), rtol=1e-5
        )
        np.testing.assert_allclose(
            found["decayed"][name], change - 0.05 * grads[name], rtol=1e-4, atol=1e-6
        )


def test_updates_are_of_bfloat16():
    grads = jnp.asarray(np.random.default_rng(1).normal(size=(2, 2)), jnp.float32)
    optimizer = optimizers.muon(1.0, weight_decay=0)

    def change(grads):
        return optimizer.update(grads, optimizer.init(grads), grads)[0]

    found = once(change, grads)
    np.testing.assert_array_equal(found, found.astype(jnp.bfloat16))
    zero, slopes = once(
        jax.vmap(lambda g: jax.jvp(change, (g,), (g,))), 0 * grads[None]
    )
    np.testing.assert_array_equal(zero, 0)
    assert np.all(np.isfinite(slopes))


def test_other_leaves_are_refused_and_may_be_masked():
    params = {"matrix": jnp.eye(2), "bias": jnp.zeros(2)}
    with pytest.raises(ValueError, match=r"params\['bias'\] must be a matrix.*\(2,\)"):
        optimizers.muon().init(params)
    mask = {"matrix": True, "bias": False}
    masked: Any = optax.masked(optimizers.muon(), mask)
    assert len(jax.tree.leaves(masked.init(params).inner_state.memory)) == 1


@pytest.mark.parametrize(
    ("numbers", "error", "refusal"),
    [
        ({"lr": -1}, ValueError, "lr must be at least 0"),
        ({"momentum": -1}, ValueError, "momentum must be at least 0"),
        ({"weight_decay": -1}, ValueError, "weight_decay must be at least 0"),
        ({"ns_steps": 100}, ValueError, "ns_steps must be less than 100"),
        ({"adjust_lr_fn": "adam"}, ValueError, "adjust_lr_fn must be None, 'orig"),
        ({"ns_coefficients": (1, 2)}, TypeError, "ns_coefficients must be three"),
    ],
)
def test_bad_numbers_are_refused(numbers, error, refusal, plain_annotations):
    with pytest.raises(error, match=refusal):
        optimizers.muon(**numbers)
