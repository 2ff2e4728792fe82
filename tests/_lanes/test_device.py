"""Devices that threads are told to use."""

import jax
import jax.numpy as jnp

from funclearn._lanes._device import default_device


def test_a_device_is_used_where_one_is_given():
    last = jax.devices()[-1]
    with default_device(last):
        assert jnp.zeros(1).devices() == {last}
    with default_device(None):
        assert jnp.zeros(1).devices() == {jax.devices()[0]}
