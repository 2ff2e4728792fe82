"""States that every device holds."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import funclearn as fl
from funclearn import devices
from tests.runs import bits


@pytest.mark.parametrize("n", [1, 2, 8])
def test_every_device_holds_the_whole_state(n):
    model, optimizer, key = fl.models.linear, optax.adam(0.1), jax.random.key(3)
    state = fl.init_state(key, model.init(key), optimizer)
    mesh = devices.mesh(n)
    there = devices.replicate(state, mesh)
    assert jax.tree.structure(there) == jax.tree.structure(state)
    for leaf in jax.tree.leaves(there):
        assert leaf.is_fully_replicated and leaf.devices() == set(mesh.devices.flat)
    assert bits(there.params) == bits(state.params)
    data = jax.random.key_data(there.key)
    np.testing.assert_array_equal(data, jax.random.key_data(key))
    for part in there.params.weight.addressable_shards:
        np.testing.assert_array_equal(part.data, state.params.weight)


@pytest.mark.parametrize("kind", ["rbg", "unsafe_rbg"])
def test_keys_whose_numbers_depend_on_the_devices_are_refused(kind):
    state = {"w": jnp.ones(2), "key": jax.random.key(0, impl=kind)}
    message = rf"state\['key'\] must be a key of threefry2x32.*got one of {kind}, whose"
    with pytest.raises(ValueError, match=message):
        devices.replicate(state, devices.mesh(2))


def test_what_is_no_array_is_refused_by_name(plain_annotations):
    with pytest.raises(TypeError, match=r"state\[1\] must be an array.*got 'b'"):
        devices.replicate((1.0, "b"), devices.mesh(2))
    with pytest.raises(TypeError, match="mesh must be one of one axis"):
        devices.replicate(1.0, None)  # pyright: ignore[reportArgumentType]
