"""What varies over devices is known by its type."""

import jax
import jax.numpy as jnp
from jax.sharding import AxisType
from jax.sharding import PartitionSpec as P

from funclearn import _jaxprs


def test_a_value_comes_to_vary_as_another_does():
    mesh = jax.make_mesh((1,), ("d",), axis_types=(AxisType.Auto,))
    seen = []

    def of_device(rate):
        zero = jnp.zeros(())
        moved = _jaxprs.vary_as(zero, jax.typeof(rate))
        kinds = zero, moved, rate
        seen.extend(_jaxprs.varying_axes(jax.typeof(kind)) for kind in kinds)
        assert _jaxprs.vary(moved, frozenset({"d"})) is moved
        return rate + moved

    spread = jax.shard_map(of_device, mesh=mesh, in_specs=P("d"), out_specs=P("d"))
    assert jax.jit(spread)(jnp.ones(1)) == 1
    assert seen == [frozenset(), {"d"}, {"d"}]


def test_elsewhere_nothing_is_done():
    ones = jnp.ones(3)
    assert _jaxprs.vary_as(ones, jax.typeof(ones)) is ones
