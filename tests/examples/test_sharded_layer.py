"""The example of a layer that lies over several devices."""

import runpy
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

import funclearn as fl

FILE = Path(fl.__file__).parents[1] / "examples" / "sharded_layer.py"
EPOCHS = 20


@pytest.fixture(scope="module")
def example():
    return runpy.run_path(str(FILE))


def plain(example, batch_size):
    """The same training with everything on one device, by no code of the example's."""

    def apply(params, inputs):
        return jnp.tanh(inputs @ params.inward + params.bias) @ params.outward

    data_key, init_key, run_key = jax.random.split(jax.random.key(0), 3)
    optimizer = example["optimizer"]
    objective = fl.make_objective(fl.Model(example["init"], apply), fl.losses.mse)
    step = fl.make_train_step(objective, optimizer)
    state = fl.init_state(run_key, example["init"](init_key), optimizer)
    data = fl.data.noisy_sine(data_key)
    return fl.fit(step, state, data, epochs=EPOCHS, batch_size=batch_size)


@pytest.mark.parametrize("batch_size", [None, 5])
@pytest.mark.slow
def test_four_devices_train_as_one_does(example, batch_size):
    run = example["train"](4, EPOCHS, batch_size)
    for leaf in jax.tree.leaves((run.state.params, run.state.opt_state[0].mu)):
        assert leaf.addressable_shards[0].data.size == leaf.size / 4
    expected = plain(example, batch_size)
    np.testing.assert_allclose(run.history.loss, expected.history.loss, rtol=1e-5)
    assert run.history.loss[-1] < 0.5 * run.history.loss[0]
    for leaf, other in zip(run.state.params, expected.state.params, strict=True):
        np.testing.assert_allclose(leaf, other, rtol=1e-4, atol=1e-5)


def sharded(example):
    """The pieces of a run over four devices, within whose mesh they are to be used."""
    mesh = jax.make_mesh((4,), ("units",), axis_types=(AxisType.Explicit,))
    params = jax.tree.map(
        lambda leaf, spec: jax.device_put(leaf, NamedSharding(mesh, spec)),
        example["init"](jax.random.key(0)),
        example["LAYOUT"],
    )
    state = fl.init_state(jax.random.key(1), params, example["optimizer"])
    return mesh, state, fl.data.noisy_sine(jax.random.key(2))


@pytest.mark.slow
def test_rules_records_and_resumed_runs_keep_the_layout(example, tmp_path):
    mesh, state, data = sharded(example)
    stop = fl.stopping.relative_change(1e-9) | fl.stopping.patience(9, on="loss")

    def record(state, info, evaluation):
        return state.params, info.loss

    with jax.set_mesh(mesh):
        how = {"batch_size": 8, "record": record, "stop": stop}
        run = fl.fit(example["step"], state, data, epochs=6, **how)
        for number in (3, 6):
            resumed = fl.running.run(
                example["step"],
                state,
                data,
                epochs=number,
                folder=tmp_path,
                resume=True,
                progress=False,
                **how,
            )
    rows, _ = run.history
    assert rows.inward.sharding.spec == PartitionSpec(None, None, "units")
    assert resumed.state.params.inward.sharding.spec == example["UNITS"]
    np.testing.assert_array_equal(rows.inward[-1], run.state.params.inward)
    for leaf, other in zip(resumed.state.params, run.state.params, strict=True):
        np.testing.assert_array_equal(leaf, other)


def test_what_a_step_lacks_is_told_by_jax(example):
    mesh, state, data = sharded(example)

    def loss_of(params, batch, key):
        hidden = jnp.tanh(batch.inputs @ params.inward + params.bias)
        return jnp.mean((hidden @ params.outward - batch.targets) ** 2)

    step = fl.make_train_step(loss_of, example["optimizer"])
    with jax.set_mesh(mesh), pytest.raises(Exception, match="out_sharding") as raised:
        fl.fit(step, state, data, epochs=1)
    assert type(raised.value).__name__ == "ShardingTypeError"
    assert "train must be" not in str(raised.value)
