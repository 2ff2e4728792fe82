"""Runs whose gradients are made of blocks: one result on any number of devices."""

import functools
import hashlib

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

import funclearn as fl
from funclearn import running, stopping
from funclearn.models import Noted

KEY = jax.random.key(0)
BLOCKS = 8


def mesh_of(n_devices):
    return jax.make_mesh(
        (n_devices,),
        ("data",),
        axis_types=(AxisType.Auto,),
        devices=jax.devices()[:n_devices],
    )


def placed(tree, n_devices, *axes):
    """On a number of devices; 0 stands for one without a mesh."""
    if n_devices == 0:
        return tree
    return jax.device_put(tree, NamedSharding(mesh_of(n_devices), P(*axes)))


def hashed(tree):
    digest = hashlib.sha256()
    for leaf in jax.tree.leaves(tree):
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            leaf = jax.random.key_data(leaf)
        digest.update(np.asarray(leaf).tobytes())
    return digest.hexdigest()


@functools.cache
def waves(n_rows, weights=False):
    rng = np.random.default_rng(2)
    inputs = rng.normal(size=(n_rows, 1)).astype(np.float32)
    own = rng.uniform(0.5, 2, size=n_rows).astype(np.float32) if weights else None
    return fl.Dataset(*jax.tree.map(jnp.asarray, (inputs, np.sin(3 * inputs), own)))


def train(params, inputs, key):
    """Subtracts the mean of the batch, and notes its course and how often."""
    hidden = inputs @ params.params[0]
    mean = jnp.mean(hidden, axis=0, keepdims=True)
    notes = {
        "mean": 0.9 * params.notes["mean"] + 0.1 * mean,
        "count": params.notes["count"] + 1,
    }
    kept = jax.random.bernoulli(key, 0.8, hidden.shape)
    return jnp.tanh(jnp.where(kept, hidden - mean, 0)) @ params.params[1], notes


def predict(params, inputs):
    hidden = inputs @ params.params[0]
    return jnp.tanh(hidden - params.notes["mean"]) @ params.params[1]


def init(key):
    return Noted(
        (jax.random.normal(key, (1, 4)), jnp.ones((4, 1)) / 4),
        {"mean": jnp.zeros((1, 4)), "count": jnp.int32(0)},
    )


NORMALISED = fl.Model(init, predict, train)
LINE = fl.models.mlp((1, 1))
NET = fl.models.mlp((1, 16, 16, 1))
SMALL = fl.models.mlp((1, 2, 1))


def made(model, optimizer, blocks: int | None = BLOCKS, objective=None, **settings):
    """A train step and where to start."""
    loss = fl.make_objective(model, fl.losses.mse, **(objective or {}))
    step = fl.make_train_step(loss, optimizer, blocks=blocks, **settings)
    return step, fl.init_state(KEY, model.init(KEY), optimizer)


def recorded(state, info, evaluation):
    return {"loss": info.loss, "norm": optax.tree.norm(info.grads)}


RUNS = {
    "line by SGD": lambda: (
        made(LINE, optax.sgd(0.1)),
        (waves(16), {"epochs": 20}),
    ),
    "minibatches with noise": lambda: (
        made(NET, optax.adam(1e-2), objective={"input_noise": 0.1}),
        (waves(24, weights=True), {"epochs": 20, "batch_size": 11}),
    ),
    "batch normalised": lambda: (
        made(NORMALISED, fl.training.loss_scaling(optax.sgd(0.1)), ema=0.9),
        (waves(16), {"epochs": 10, "batch_size": 12}),
    ),
    "line search": lambda: (
        made(SMALL, optax.lbfgs()),
        (waves(16), {"epochs": 4}),
    ),
    "accumulated until it is good": lambda: (
        made(SMALL, optax.adam(0.1), gradient=fl.gradients.accumulated(2)),
        (
            waves(24),
            {"epochs": 30, "stop": stopping.target(0.3, on="loss"), "record": recorded},
        ),
    ),
}


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.slow
def test_a_run_has_the_same_bits_on_all_devices(name):
    (step, state), (rows, how) = RUNS[name]()
    results = {
        n_devices: fl.fit(step, state, placed(rows, n_devices, "data"), **how)
        for n_devices in ((0, 1, 2, 4, 8) if name == "line by SGD" else (0, 2, 8))
    }
    alone = results.pop(0)
    for run in results.values():
        assert hashed((run.state, run.history)) == hashed((alone.state, alone.history))
        assert run.epochs == alone.epochs and str(run.reason) == str(alone.reason)
    if "stop" in how:
        assert 1 < alone.epochs < how["epochs"]


@pytest.mark.slow
def test_plain_runs_differ():
    """Else the tests above would show nothing."""
    step, state = made(NET, optax.adam(1e-2), blocks=None)
    hashes = {
        hashed(fl.fit(step, state, placed(waves(24), n, "data"), epochs=20).state)
        for n in (0, 8)
    }
    assert len(hashes) == 2


@pytest.fixture(scope="module")
def whole():
    """A run of ten epochs on one device without a mesh."""
    (step, state), (rows, _) = RUNS["line by SGD"]()
    return step, state, rows, fl.fit(step, state, rows, epochs=10)


@pytest.mark.slow
def test_a_run_may_be_gone_on_with_on_other_devices(whole, tmp_path):
    step, state, rows, run = whole
    half = fl.fit(step, state, placed(rows, 8, "data"), epochs=5)
    moved = placed(half.state, 2)
    rest = fl.fit(step, moved, placed(rows, 2, "data"), epochs=5)
    assert hashed(rest.state) == hashed(run.state)
    losses = np.concatenate([half.history.loss, rest.history.loss])
    np.testing.assert_array_equal(losses, run.history.loss)

    how = {"folder": tmp_path, "resume": True, "progress": False}
    for n_devices, epochs in ((8, 5), (2, 10)):
        begun = running.run(
            step, state, placed(rows, n_devices, "data"), epochs=epochs, **how
        )
    assert hashed((begun.state, begun.history)) == hashed((run.state, run.history))


@pytest.mark.slow
def test_a_step_of_its_own_finds_the_devices_too(whole):
    step, state, rows, _ = whole
    alone = hashed(jax.jit(step)(state, rows))
    assert hashed(jax.jit(step)(state, placed(rows, 4, "data"))) == alone
    assert hashed(jax.jit(step)(placed(state, 4), placed(rows, 4, "data"))) == alone
    with jax.set_mesh(mesh_of(4)):
        assert hashed(jax.jit(step)(state, rows)) == alone


def test_a_number_of_devices_that_does_not_divide_blocks_is_refused(whole):
    step, state, _, _ = whole
    with pytest.raises(ValueError, match="multiple of the number of devices, 3; got 8"):
        fl.fit(step, state, placed(waves(24), 3, "data"), epochs=1)
    with pytest.raises(ValueError, match=r"blocks must divide .* 15, .* got 8"):
        fl.make_train_step(
            lambda w, batch, key: w * jnp.mean(batch), optax.sgd(0.1), blocks=8
        )(fl.init_state(KEY, 1.0, optax.sgd(0.1)), jnp.ones(15))


@pytest.mark.parametrize("make", [optax.adam, fl.optimizers.adam])
@pytest.mark.parametrize("n_rows", [8, 9, 11])
@pytest.mark.slow
def test_updates_of_single_numbers_have_the_same_bits(n_rows, make):
    data = fl.data.Scaler(input_scale=10.0)(fl.data.thermometer())
    data, optimizer = fl.data.take(data, slice(n_rows)), make(1e-2)
    state = fl.init_state(KEY, fl.models.linear.init(KEY), optimizer)
    objective = fl.make_objective(fl.models.linear, fl.losses.mse)
    step = fl.make_train_step(objective, optimizer, blocks=BLOCKS)
    mesh = mesh_of(BLOCKS)
    there, rows = fl.devices.replicate(state, mesh), fl.devices.shard(data, mesh)
    for epochs in (1, 300):
        alone = fl.fit(step, state, data, epochs=epochs)
        assert hashed(fl.fit(step, there, rows, epochs=epochs)) == hashed(alone)
