"""Programs cut into stages."""

import jax
import jax.numpy as jnp

from funclearn._lanes._stages import cut


def test_a_large_constant_keeps_a_loop_from_being_compiled_whole():
    def run(start, length):
        table = jnp.pad(jnp.ones(1), (0, length))
        return jax.lax.fori_loop(0, 3, lambda trip, x: x + table[trip], start)

    def small(length):
        closed = jax.make_jaxpr(lambda x: run(x, length))(1.0)
        return any(stage.small for stage in cut(closed, 4).stages)

    assert small(10)
    assert not small(5000)


def test_what_is_not_tried_is_cut_out():
    def run(x):
        start = jnp.sort(x)  # calls a library
        return jax.lax.fori_loop(0, 3, lambda _, x: x * 2, start), jnp.argsort(x)

    closed = jax.make_jaxpr(run)(jnp.ones(3))
    stages = cut(closed, 4).stages
    assert sorted(stage.small for stage in stages)[-1]
    assert not all(stage.small for stage in stages)
    one = cut(closed, 4, whole=False).stages
    assert [stage.small for stage in one] == [False]
