"""Where compiled code lays arrays over devices."""

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from funclearn import _layout, devices


def laid(function, array):
    """How a compiled function lays its result."""
    return jax.jit(function)(array).sharding


def over(mesh, length=8, spec=None):
    spec = P(*mesh.axis_names) if spec is None else spec
    return jax.device_put(jnp.arange(float(length)), NamedSharding(mesh, spec))


def test_all_devices_hold_all_or_a_part_each():
    mesh = devices.mesh(4)
    assert laid(_layout.everywhere, over(mesh)).spec == P()
    assert laid(_layout.spread, over(mesh, spec=P())).spec == P("data")
    # Four devices do not divide seven rows.
    assert laid(_layout.spread, over(mesh, 7, P())).spec == P()
    lanes = jax.vmap(_layout.spread)
    whole = jax.device_put(jnp.ones((3, 8)), NamedSharding(mesh, P()))
    assert laid(lanes, whole).spec == P(None, "data")
    scalar = jax.device_put(jnp.float32(0), NamedSharding(mesh, P()))
    assert laid(_layout.spread, scalar).is_fully_replicated


@pytest.mark.parametrize("function", [_layout.everywhere, _layout.spread])
def test_other_arrays_stay_where_they_are(function):
    array = jnp.arange(8.0)
    explicit = jax.make_mesh((4,), ("rows",))
    both = jax.make_mesh((2, 2), ("a", "b"), axis_types=(AxisType.Auto,) * 2)
    for mesh in (devices.mesh(1), explicit):
        assert laid(function, over(mesh)) == over(mesh).sharding
    # Over several axes rows are dealt out by whoever made these.
    whole = function is _layout.everywhere
    assert laid(function, over(both, spec=P("a"))).spec == (P() if whole else P("a"))
    # What is there already is as its owner laid it.
    there = over(devices.mesh(4))
    assert function(there) is there and function(array) is array
    for one in (array, over(devices.mesh(1)), over(explicit)):
        assert str(jax.make_jaxpr(function)(one)).count("sharding_constraint") == 0


def test_it_is_known_who_may_hold_a_part():
    def known(array):
        return jnp.zeros(int(_layout.is_divided(array)))

    assert jax.jit(known)(over(devices.mesh(4))).shape == (1,)
    for array in (jnp.ones(8), over(devices.mesh(1))):
        assert jax.jit(known)(array).shape == (0,)
    assert not _layout.is_divided(over(devices.mesh(4)))
