"""Rows in blocks, and blocks on devices."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

import funclearn as fl
from funclearn.training._dealing import dealt, of_every_block


def mesh_of(*lengths, kind=AxisType.Auto):
    devices = jax.devices()[: np.prod(lengths)]
    names = ("data", "model")[: len(lengths)]
    kinds = (kind,) * len(lengths)
    return jax.make_mesh(lengths, names, axis_types=kinds, devices=devices)


def spread(tree, mesh, *axes):
    return jax.device_put(tree, NamedSharding(mesh, P(*axes)))


def test_blocks_are_rows_in_their_order():
    rows = {"x": np.arange(12.0).reshape(6, 2), "y": jnp.arange(6)}
    blocks = dealt(3, rows)
    np.testing.assert_array_equal(blocks["x"], np.arange(12.0).reshape(3, 2, 2))
    assert blocks["y"].tolist() == [[0, 1], [2, 3], [4, 5]]


@pytest.mark.parametrize("weights", [None, np.arange(1.0, 6), np.ones((5, 2))])
def test_missing_rows_are_copies_of_the_last_that_do_not_count(weights):
    batch = fl.Dataset(np.arange(5.0), jnp.arange(10).reshape(5, 2), weights)
    blocks = dealt(4, batch)
    assert blocks.inputs.tolist() == [[0, 1], [2, 3], [4, 4], [4, 4]]
    assert blocks.targets.shape == (4, 2, 2) and blocks.targets.dtype == jnp.int32
    assert blocks.targets[2:].tolist() == [[[8, 9], [8, 9]]] * 2
    given = np.ones(5) if weights is None else weights
    np.testing.assert_array_equal(
        blocks.weights.reshape(8, *given.shape[1:]),
        np.concatenate([given, np.zeros((3, *given.shape[1:]))]),
    )


def test_rows_without_weights_must_fill_the_blocks():
    with pytest.raises(ValueError, match=r"blocks must divide .* Dataset, 5, .* got 4"):
        dealt(4, np.arange(5.0))
    assert dealt(4, fl.Dataset(np.ones(8), np.ones(8))).weights is None


def sums(blocks, rows, factor):
    def one(factor, number, rows):
        return factor * jnp.sum(rows) + number

    return of_every_block(blocks, one, factor, dealt(blocks, rows))


EXPECTED = 2 * np.arange(16.0).reshape(8, 2).sum(axis=1) + np.arange(8)


@pytest.mark.parametrize("lengths", [(1,), (2,), (8,), (2, 2)])
def test_every_device_has_all_results_in_their_order(lengths):
    mesh = mesh_of(*lengths)
    rows = spread(np.arange(16.0, dtype=np.float32), mesh, "data")
    result = jax.jit(functools.partial(sums, 8))(rows, 2.0)
    np.testing.assert_array_equal(result, EXPECTED)
    assert len(result.sharding.device_set) == np.prod(lengths)
    assert result.sharding.is_fully_replicated


def collectives(function, *arguments):
    text = jax.jit(function).lower(*arguments).compile().as_text()
    return str(text).count(" all-gather(")


def test_devices_are_known_from_types_or_from_the_user():
    """Else all blocks are evaluated on every device, to the same bits."""
    mesh, rows = mesh_of(4), np.arange(16.0, dtype=np.float32)
    call = functools.partial(sums, 8)
    assert collectives(call, rows, 2.0) == 0
    assert collectives(call, spread(rows, mesh, "data"), 2.0) == 1
    assert collectives(call, rows, spread(np.float32(2), mesh)) == 1
    with jax.set_mesh(mesh):
        assert collectives(call, rows, 2.0) == 1
    np.testing.assert_array_equal(call(spread(rows, mesh, "data"), 2.0), EXPECTED)


def test_inside_of_a_shard_map_every_device_has_blocks_of_its_own():
    mesh, rows = mesh_of(2), np.arange(32.0, dtype=np.float32)

    def own(rows):
        return sums(8, rows, 2.0)

    result = jax.jit(
        jax.shard_map(own, mesh=mesh, in_specs=P("data"), out_specs=P("data"))
    )(spread(rows, mesh, "data"))
    np.testing.assert_array_equal(result, [*EXPECTED, *(EXPECTED + 64)])


def test_devices_must_divide_blocks():
    rows = spread(np.arange(18.0), mesh_of(3), "data")
    with pytest.raises(ValueError, match="multiple of the number of devices, 3; got 8"):
        jax.jit(lambda rows: sums(8, rows[:16], 2.0))(rows)
    assert jax.jit(lambda rows: sums(6, rows, 2.0))(rows).shape == (6,)
