"""How the rows of a step lie on devices, which change no value."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

import funclearn as fl
from funclearn import devices
from funclearn.training import _spreading

DATA = fl.Dataset(jnp.arange(16.0).reshape(8, 2), jnp.arange(8), jnp.arange(8.0))


@pytest.mark.parametrize(
    "data, specs",
    [
        (DATA, [P("data"), P("data"), P()]),
        (DATA._replace(weights=jnp.ones((8, 2))), [P("data")] * 3),
        (DATA._replace(weights=None), [P("data")] * 2),
        ((DATA.inputs, DATA.targets), [P("data")] * 2),
    ],
    ids=["weights", "entries", "plain", "tuple"],
)
def test_minibatches_are_dealt_out_and_their_weights_known_to_all(data, specs):
    rows = np.array([5, 0, 3, 3])
    there = devices.shard(data, devices.mesh(4))
    batch = jax.jit(lambda data: _spreading.dealt_out(fl.data.take(data, rows)))(there)
    assert [leaf.sharding.spec for leaf in jax.tree.leaves(batch)] == specs
    wanted = fl.data.take(data, rows)
    assert jax.tree.structure(batch) == jax.tree.structure(wanted)
    for one, other in zip(*map(jax.tree.leaves, (batch, wanted)), strict=True):
        np.testing.assert_array_equal(one, other)


def test_weights_of_rows_are_known_to_all_and_others_stay():
    mesh, known = devices.mesh(2), jax.jit(_spreading.with_weights_everywhere)
    there = known(devices.shard(DATA, mesh))
    specs = [leaf.sharding.spec for leaf in there]
    assert specs == [P("data"), P("data"), P()]
    entries = devices.shard(DATA._replace(weights=jnp.ones((8, 2))), mesh)
    assert known(entries).weights.sharding.spec == P("data")
    for data in (DATA, DATA._replace(weights=None), jnp.ones(3)):
        assert jax.tree.structure(known(data)) == jax.tree.structure(data)
