"""What varies over devices is known by its type."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
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


@pytest.mark.parametrize("spec", [P(None, "units"), P("units"), P()])
def test_an_array_of_one_value_lies_as_another_does(spec):
    mesh = jax.make_mesh((4,), ("units",), axis_types=(AxisType.Explicit,))
    array = jax.device_put(jnp.ones((4, 8)), NamedSharding(mesh, spec))

    @jax.jit
    def blank(array):
        for kind in (jax.typeof(array), jax.eval_shape(lambda: 2 * array)):
            filled = _jaxprs.filled(kind, jnp.nan)
            assert jax.typeof(filled) == jax.typeof(array)
        return filled + array

    assert np.isnan(blank(array)).all()


def test_an_array_of_one_value_may_lie_anywhere():
    kind = jax.eval_shape(lambda: jnp.ones((2, 3), jnp.int32))
    np.testing.assert_array_equal(_jaxprs.filled(kind, 7), np.full((2, 3), 7, np.int32))
    assert _jaxprs.filled(jnp.ones(3), 0).dtype == jnp.float32
