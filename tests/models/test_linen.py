"""Linen modules train as in a loop by hand."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
import pytest

import funclearn as fl
from tests.models.settings import (
    DATA,
    KEY,
    ROWS,
    SGD,
    WithDeterministic,
    WithRunningAverage,
    WithTrain,
    batches,
    close,
    trained,
)

MODES = {
    "train": (WithTrain, True),
    "deterministic": (WithDeterministic, False),
    "use_running_average": (WithRunningAverage, False),
}


@pytest.mark.parametrize("mode", MODES)
def test_a_linen_module_trains_as_in_a_loop_by_hand(mode):
    kind, on = MODES[mode]
    module: Any = kind()
    model = fl.models.from_linen(module, ROWS[:1])
    state = trained(model)
    variables = dict(module.init(KEY, ROWS[:1], **{mode: not on}))
    params, notes = variables["params"], variables["batch_stats"]
    opt_state = SGD.init(params)
    for rows, key in batches():

        def loss(params, notes=notes, rows=rows, key=key):
            predictions, new = module.apply(
                {"params": params, "batch_stats": notes},
                DATA.inputs[rows],
                mutable=["batch_stats"],
                rngs={"dropout": key},
                **{mode: on},
            )
            return jnp.mean((predictions - DATA.targets[rows]) ** 2), new

        grads, new = jax.grad(loss, has_aux=True)(params)
        updates, opt_state = SGD.update(grads, opt_state, params)
        params, notes = optax.apply_updates(params, updates), new["batch_stats"]
    assert isinstance(state.params, fl.models.Noted)
    close(state.params, fl.models.Noted(params, {"batch_stats": notes}))
    close(state.opt_state, opt_state)
    predictions = module.apply(
        {"params": params, "batch_stats": notes}, ROWS, **{mode: not on}
    )
    close(model.apply(state.params, ROWS), predictions)
