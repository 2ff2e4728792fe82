"""Nnx modules train as in a loop by hand."""

import jax
import jax.numpy as jnp
from flax import nnx

import funclearn as fl
from tests.models.settings import (
    DATA,
    KEY,
    SGD,
    NnxNoting,
    batches,
    close,
    trained,
)


def test_an_nnx_module_without_dropout_trains_as_in_a_loop_by_hand():
    def build(rngs):
        made = NnxNoting(rngs)
        made.drop = nnx.Dropout(0.0, rngs=rngs)
        return made

    state = trained(fl.models.from_nnx(build))
    module = build(nnx.Rngs(KEY))
    module.train()
    optimizer = nnx.Optimizer(module, SGD, wrt=nnx.Param)
    for rows, _ in batches():
        inputs, targets = DATA.inputs[rows], DATA.targets[rows]
        grads = nnx.grad(
            lambda module, inputs=inputs, targets=targets: jnp.mean(
                (module(inputs) - targets) ** 2
            )
        )(module)
        optimizer.update(module, grads)
    assert isinstance(state.params, fl.models.Noted)
    close(
        jax.tree.leaves(state.params.params),
        jax.tree.leaves(nnx.state(module, nnx.Param)),
    )
    notes = jax.tree.leaves(nnx.state(module, nnx.BatchStat))
    close(jax.tree.leaves(state.params.notes), notes)
