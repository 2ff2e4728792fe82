"""Rows over devices, and what makes up for rows that these do not divide."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

import funclearn as fl
from funclearn import devices

INPUTS = np.arange(22, dtype=np.float32).reshape(11, 2)
DATA = fl.Dataset(INPUTS, np.arange(11))


def parts_of(array):
    return [np.asarray(part.data) for part in array.addressable_shards]


@pytest.mark.parametrize("kind", [np.asarray, jnp.asarray, np.ndarray.tolist])
def test_every_device_has_as_many_rows(kind):
    mesh = devices.mesh(4)
    tree = {"a": kind(INPUTS[:8]), "b": {"c": kind(np.arange(8))}}
    laid = devices.shard(tree, mesh)
    for leaf, rows in ((laid["a"], INPUTS[:8]), (laid["b"]["c"], np.arange(8))):
        assert leaf.sharding.mesh == mesh and leaf.sharding.spec == P("data")
        for part, wanted in zip(parts_of(leaf), np.split(rows, 4), strict=True):
            np.testing.assert_array_equal(part, wanted)
    plain = devices.shard(jax.tree.map(kind, DATA), devices.mesh(1))
    assert type(plain) is fl.Dataset and plain.weights is None


@pytest.mark.parametrize("kind", [np.asarray, jnp.asarray])
@pytest.mark.parametrize("n", [2, 4, 8])
def test_rows_that_are_added_weigh_nothing(kind, n):
    padded = devices.shard(jax.tree.map(kind, DATA), devices.mesh(n))
    assert isinstance(padded, fl.data.Padded)
    assert (padded.n_rows, padded.unweighted) == (11, True)
    more = -11 % n
    assert padded.weights.tolist() == [1] * 11 + [0] * more
    assert padded.weights.dtype == np.float32
    assert padded.targets.tolist() == [*range(11), *[10] * more]
    np.testing.assert_array_equal(padded.inputs[11:], INPUTS[-1:].repeat(more, 0))
    for leaf in padded:
        assert {len(part) for part in parts_of(leaf)} == {(11 + more) // n}
    assert len(devices.shard(DATA, devices.mesh(8)).inputs) == 16


@pytest.mark.parametrize(
    "weights",
    [np.arange(11), np.arange(11) > 3, jnp.ones((11, 2))],
    ids=["counts", "mask", "entries"],
)
def test_weights_go_on_with_zeros(weights):
    data = DATA._replace(weights=weights)
    padded = devices.shard(data, devices.mesh(4))
    assert (padded.n_rows, padded.unweighted) == (11, False)
    assert padded.weights.dtype == jnp.asarray(weights).dtype
    np.testing.assert_array_equal(padded.weights[:11], weights)
    assert padded.weights.shape == (12, *weights.shape[1:])
    assert not np.any(padded.weights[11:])


def test_the_loss_is_that_of_the_rows_that_exist():
    model = fl.models.affine(2)
    params = model.init(jax.random.key(0))
    objective = fl.make_objective(model, fl.losses.mse)
    wanted = np.mean((INPUTS @ params.weight + params.bias - np.arange(11)) ** 2)
    loss = objective(params, devices.shard(DATA, devices.mesh(8)), jax.random.key(0))
    np.testing.assert_allclose(loss, wanted, rtol=1e-6)


def test_data_go_from_devices_to_others():
    padded = devices.shard(DATA, devices.mesh(8))
    for mesh, length in ((devices.mesh(3), 12), (devices.mesh(2), 12)):
        moved = devices.shard(padded, mesh)
        assert len(moved.inputs) == length and moved.n_rows == 11 and moved.unweighted
    back = devices.shard(padded, devices.mesh(1))
    assert type(back) is fl.Dataset and back.weights is None
    np.testing.assert_array_equal(back.inputs, INPUTS)


def test_what_has_no_weights_is_not_padded():
    message = (
        "dataset must have rows that 8 devices divide, since only a funclearn.Dataset "
        "can be padded.*Got 11 rows in a tuple"
    )
    with pytest.raises(ValueError, match=message):
        devices.shard(tuple(DATA), devices.mesh(8))


def test_bad_arguments_are_refused_by_name(plain_annotations):
    with pytest.raises(TypeError, match="mesh must be"):
        devices.shard(DATA, 8)  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match=r"dataset\.inputs must hold numbers"):
        devices.shard(fl.Dataset(["a", "b"], [1, 2]), devices.mesh(2))
    with pytest.raises(ValueError, match="dataset must hold arrays with one leading"):
        devices.shard((np.ones(4), np.ones(2)), devices.mesh(2))
