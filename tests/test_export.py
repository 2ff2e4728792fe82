"""Whole runs lowered for machines that are not here."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax import export

import funclearn as fl

PLATFORMS = ("cpu", "cuda", "tpu")


def linear_run(learning_rate, seed):
    split_key, init_key, run_key = jax.random.split(jax.random.key(seed), 3)
    train, validation = fl.data.split(split_key, fl.data.thermometer())
    train, scaler = fl.data.standardise(train)
    model, optimizer = fl.models.linear, optax.sgd(learning_rate, momentum=0.9)
    objective = fl.make_objective(model, fl.losses.mse, input_noise=0.1)
    return fl.fit(
        fl.make_train_step(objective, optimizer),
        fl.init_state(run_key, model.init(init_key), optimizer),
        train,
        scaler(validation),
        epochs=20,
        batch_size=4,
        evaluate=fl.make_evaluation(model, fl.losses.mse),
    ).history


def wide_net_run(learning_rate, seed):
    data_key, init_key, run_key = jax.random.split(jax.random.key(seed), 3)
    model, optimizer = fl.models.wide_net, optax.adam(learning_rate)
    objective = fl.make_objective(model, fl.losses.mse, penalty=fl.losses.l2(1e-4))
    return fl.fit(
        fl.make_train_step(objective, optimizer),
        fl.init_state(run_key, model.init(init_key), optimizer),
        fl.data.noisy_sine(data_key),
        epochs=5,
    ).history


@pytest.mark.parametrize("run", [linear_run, wide_net_run])
@pytest.mark.slow
def test_a_whole_run_lowers_for_every_platform_and_keeps_its_meaning(run):
    arguments = jnp.float32(1e-3), jnp.uint32(3)
    exported = export.export(jax.jit(run), platforms=PLATFORMS)(*arguments)
    assert exported.platforms == PLATFORMS
    got: Any = exported.call(*arguments)
    wanted = jax.jit(run)(*arguments)
    for one, other in zip(*map(jax.tree.leaves, (got, wanted)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)
    assert np.all(np.isfinite(got.loss)) and got.loss[-1] < got.loss[0]
