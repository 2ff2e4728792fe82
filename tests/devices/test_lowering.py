"""Runs over many devices lowered for machines that are not here.

Which collectives a program over axes of type Auto holds XLA decides on when it compiles
for a machine. What is exported says how all arrays are laid out, from which it follows,
and the gather of blocks, which is written down.
"""

import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax import export
from jax.sharding import AbstractMesh, AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

import funclearn as fl
from benchmarks.scaling._traffic import of_a_step
from tests.devices.settings import DATA, begin, check_close, placed

ELSEWHERE = ("cuda", "tpu")
MODEL = fl.models.mlp((3, 8, 1))
WAYS = pytest.mark.parametrize(
    "way",
    [{}, {"batch_size": 256}, {"blocks": 256}],
    ids=["full", "minibatch", "blocks"],
)


def begun(batch_size=None, blocks=None):
    """A run of three epochs, and what it starts from."""
    train_step, state = begin(optax.adam(0.01), MODEL, blocks=blocks, input_noise=0.1)

    def run(state, data):
        return fl.fit(train_step, state, data, epochs=3, batch_size=batch_size)

    return run, state


def types_over(mesh, spec, tree):
    place = NamedSharding(mesh, spec)
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=place), tree
    )


@WAYS
@pytest.mark.parametrize("n", [8, 256])
@pytest.mark.slow
def test_a_run_over_devices_lowers_for_other_platforms(n, way):
    """Its rows dealt out, and all else whole on each of the devices."""
    mesh = AbstractMesh((n,), ("data",), axis_types=(AxisType.Auto,))
    run, state = begun(**way)
    rows = jnp.ones((512, 3))
    data = types_over(mesh, P("data"), fl.Dataset(rows, rows[:, :1]))
    state = types_over(mesh, P(), state)
    exported = export.export(jax.jit(run), platforms=ELSEWHERE)(state, data)
    assert exported.platforms == ELSEWHERE and exported.nr_devices == n
    whole = len(jax.tree.leaves(state))
    specs = [getattr(one, "spec", None) for one in exported.in_shardings_jax(mesh)]
    assert specs == [P()] * whole + [P("data")] * 2
    text = exported.mlir_module()
    assert f'sdy.mesh @mesh = <["data"={n}]>' in text
    # Both platforms have one of their own.
    gathers = re.findall(r'"stablehlo.all_gather"\(.*-> tensor<(\d+)x(\d+)xf32>', text)
    if "blocks" in way:
        (word,) = of_a_step(state.params, data[:2], devices=n, **way)
        n_bytes = [4 * int(blocks) * int(entries) for blocks, entries in gathers]
        assert n_bytes == [word.n_bytes] * len(ELSEWHERE)
        assert text.count("sdy.manual_computation") == 1
    else:
        assert "stablehlo.all_" not in text


@pytest.mark.slow
def test_what_is_lowered_is_the_run():
    """Called on devices that are here, for which it was lowered too."""
    run, state = begun(batch_size=8)
    data = jax.tree.map(lambda rows: rows[:16].reshape(16, -1), DATA)
    there = placed(8, state, data)
    exported = export.export(jax.jit(run), platforms=("cpu", *ELSEWHERE))(*there)
    assert exported.nr_devices == 8
    got: Any = exported.call(*there)
    wanted = run(state, data)
    check_close(got.history.loss, wanted.history.loss)
    assert np.ptp(wanted.history.loss) > 0
